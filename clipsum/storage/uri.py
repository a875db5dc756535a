"""What a URI is: a local path, `s3://bucket/key` or `https://…`; keys are taken literally, never percent-decoded."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote_from_bytes, unquote_to_bytes, urlencode, urlsplit, urlunsplit

from clipsum.errors import UsageError

Scheme = Literal["file", "s3", "https"]
SECRET = re.compile(
    r"(?:x-(?:amz|goog|oss)-.*|.*(?:signature|token|secret|password|credential|api-?_?key).*"
    r"|sig|auth|policy|key-pair-id|awsaccesskeyid|googleaccessid)",
    re.IGNORECASE,
)
"""Names of query parameters that let whoever reads them in: of S3, CloudFront, Google, Azure, and in general."""
SIGNED = frozenset("expires se st sp sv sr sip spr skoid sktid skt ske sks skv sdd".split())  # noqa: SIM905
"""What stands beside a signature and changes with it: CloudFront's and Google's expiry, the fields of Azure's SAS."""
WILDCARDS = frozenset("*?[")


@dataclass(frozen=True)
class StoredObject:
    """A file or object: `version` is its ETag, or size + mtime; "" where the store tells none."""

    uri: str
    size_bytes: int
    version: str


def scheme_of(uri: str) -> Scheme:
    """The kind of store that `uri` names. Raises: UsageError for another scheme or a broken URL."""
    scheme, colon, _ = uri.partition("://")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return "file"
    if scheme == "https":
        _check_url(uri)
    if scheme in ("file", "s3", "https"):
        return scheme  # type: ignore[return-value]
    raise UsageError(f"'{shown(uri)}' has the scheme '{scheme}': use a local path, s3:// or https://")


def is_s3(uri: str) -> bool:
    """True for `s3://…`."""
    return uri.startswith("s3://")


def split_s3(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; the key may be "". Raises: UsageError without a bucket."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not is_s3(uri) or not bucket:
        raise UsageError(f"'{uri}' names no bucket: write it as s3://bucket/prefix")
    return bucket, key


def join(uri: str, *parts: str) -> str:
    """`uri` with names below it, one slash between each two."""
    for part in parts:
        uri = f"{uri.removesuffix('/')}/{part}"
    return uri


def stem(uri: str) -> str:
    """`uri` without the suffix of its last name."""
    return os.path.splitext(uri)[0]  # noqa: PTH122 - a URI is no path: slashes and all stay as they are


def suffix(uri: str) -> str:
    """The suffix of the last name, in small letters with its dot; "" without one. An https query is none of it."""
    return os.path.splitext(urlsplit(uri).path if uri.startswith("https://") else uri)[1].lower()  # noqa: PTH122


def local_path(uri: str) -> Path:
    """The path of a local URI; `file://` URIs are percent-decoded, plain paths taken as they stand."""
    if not uri.startswith("file://"):
        return Path(uri)
    return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix("file://"))))


def local_uri(path: str | Path) -> str:
    """The URI of a path: the absolute path, or `file://` and escapes where its bytes are no UTF-8 text."""
    absolute = os.path.abspath(path)  # noqa: PTH100 - keeps symlinks, as the user wrote them
    return absolute if _is_text(absolute) else "file://" + quote_from_bytes(os.fsencode(absolute))


def canonical(uri: str) -> str:
    """The name by which `uri` is known: absolute path; s3 as is; https without a passing signature.

    Raises: UsageError for what no store can hold.
    """
    if not uri.strip():
        raise UsageError("a place is given as '', which names none: give a path or s3://bucket/prefix")
    scheme = scheme_of(uri)
    if scheme == "file":
        return local_uri(local_path(uri))
    if not _is_text(uri):
        raise UsageError(f"{uri!r} is not UTF-8: outside local files, names are text")
    if scheme == "s3":
        return uri
    parts = urlsplit(uri)
    given = parse_qsl(parts.query, keep_blank_values=True)
    query = [(name, value) for name, value in given if not SECRET.fullmatch(name)]
    if len(query) < len(given):
        query = [(name, value) for name, value in query if name.lower() not in SIGNED]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))


def shown(uri: str) -> str:
    """`uri` as messages show it: an https query may hold a signature, and its user part a password."""
    if not uri.startswith("https://"):
        return uri
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "…" if parts.query else "", ""))


def masked(uri: str) -> str:
    """`uri` as rows keep it: an https URL without user and password, and with the values of its secrets left out.

    >>> masked("https://me:pw@host/a.mp4?v=2&X-Amz-Signature=abc")
    'https://host/a.mp4?v=2&X-Amz-Signature=…'
    """
    if not uri.startswith("https://"):
        return uri
    parts = urlsplit(uri)
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    query = "&".join(f"{name}=…" if SECRET.fullmatch(name) else f"{name}{sign}{value}" for name, sign, value in pairs)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def has_wildcard(uri: str) -> bool:
    """True where `*`, `?` or `[` asks for a glob; an https query is none."""
    return not uri.startswith("https://") and not WILDCARDS.isdisjoint(uri)


def glob_regex(pattern: str) -> re.Pattern[str]:
    """A glob over keys: `*` and `?` stay within one name, `**` crosses slashes, `[…]` is a class.

    Raises: UsageError for a class that is none.
    """
    # possessive: in `[!]x` nothing closes the bracket, which so stands for itself
    tokens = re.findall(r"\*\*/?|\*|\?|\[!?+\]?+[^\]]*\]|.", pattern, re.DOTALL)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    words = [known.get(token) or (_class(token) if len(token) > 1 else re.escape(token)) for token in tokens]
    try:
        return re.compile("".join(words), re.DOTALL)
    except re.error as error:
        raise UsageError(f"'{pattern}' is not a glob ({error}): write [a-z], or [[] for a bracket") from error


def _class(token: str) -> str:
    inner = re.sub(r"[\\\[&|~]", r"\\\g<0>", token[1:-1])
    return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"


def _check_url(uri: str) -> None:
    try:
        host = urlsplit(uri).hostname
    except ValueError as error:
        raise UsageError(f"'{uri}' is not a URL: {error}") from error
    if not host:
        raise UsageError(f"'{uri}' names no host: write it as https://host/path")


def _is_text(uri: str) -> bool:
    try:
        uri.encode()
    except UnicodeEncodeError:
        return False
    return True
