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


DOCS_HEADERS = PAGE_HEADERS | {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
"""For /docs, which shows no video and sends no form."""
PATHS = {"index.html": "/", "docs.html": "/docs"}


class Asset(NamedTuple):
    """A file of the page, or of the documentation."""

    body: bytes
    media_type: str
    headers: dict[str, str]


@cache
def assets() -> dict[str, Asset]:
    """The files by path: `/`, `/docs`, and `/page/<name>` for what these load."""
    folder = resources.files("clipsum.serving") / "page"
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        headers = DOCS_HEADERS if file.name == "docs.html" else PAGE_HEADERS
        asset = Asset(file.read_bytes(), MEDIA_TYPES[file.name.rpartition(".")[2]], headers)
        found[PATHS.get(file.name, f"/page/{file.name}")] = asset
    return found
