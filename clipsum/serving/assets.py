"""The page: files of the package by the path at which they are served, and the headers that every answer carries.

The page loads nothing but these, and its policy allows no inline script or style; only a video may come from elsewhere,
from the https address that its user typed.
"""

from functools import cache
from importlib import resources
from typing import NamedTuple

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " media-src blob: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""For every answer. `PAGE_HEADERS` are for those of `assets`."""
PAGE_HEADERS = SECURITY_HEADERS | {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}


class Asset(NamedTuple):
    """A file of the page."""

    body: bytes
    media_type: str


@cache
def assets() -> dict[str, Asset]:
    """The files by path: `/`, and `/page/<name>` for what it loads."""
    folder = resources.files("clipsum.serving") / "page"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {
        "/" if file.name == "index.html" else f"/page/{file.name}": Asset(
            file.read_bytes(), MEDIA_TYPES[file.name.rpartition(".")[2]]
        )
        for file in files
    }
