"""Which videos a caller may name: `s3://` prefixes and `https://` hosts on a list. Local files never."""

import re
import secrets
from pathlib import Path, PurePosixPath

from clipsum.config import Config
from clipsum.errors import ItemError, UsageError
from clipsum.serving.refusals import RefusedError
from clipsum.storage.guard import check_host, check_hosts, guard_https, listed_hosts

PREFIX = re.compile(r"s3://[^/]")
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
NAME_BYTES = 16
OURS = re.compile(rf"[0-9a-f]{{{2 * NAME_BYTES}}}(?:{SUFFIX.pattern})?")
DOTS = frozenset({"", ".", ".."})


class Sources(Config):
    """What may be named; nothing by default. Hosts as `clipsum.storage.guard.guard_https` takes them."""

    s3: tuple[str, ...] = ()
    https: tuple[str, ...] = ()

    def validate_places(self) -> None:
        """Raises: UsageError where one of them can name nothing."""
        check_hosts(self.https, "sources.https: host")
        for prefix in self.s3:
            if not PREFIX.match(prefix):
                raise UsageError(f"sources.s3: '{prefix}' is no place: write s3://bucket or s3://bucket/prefix")

    def confine(self) -> None:
        """Let https of this process, and of those it starts, lead to these hosts alone. Raises: UsageError."""
        guard_https(self.https)

    def check(self, uri: str) -> None:
        """Raises: RefusedError, 403, for what may not be named. An https address is checked again when it is opened."""
        if uri.startswith("https://") and _is_on(self.https, uri):
            return
        if uri.startswith("s3://") and any(_is_below(uri, prefix) for prefix in self.s3):
            return
        raise RefusedError(403, "access_denied", "this address is not among those that this service may read")


def _is_on(hosts: tuple[str, ...], url: str) -> bool:
    try:
        check_host(url, listed_hosts(hosts, "sources.https: host"))
    except ItemError:
        return False
    return True


def _is_below(uri: str, prefix: str) -> bool:
    """Whether `uri` lies below a prefix taken as a folder; no name on the way may be empty or dots."""
    base = f"{prefix.removesuffix('/')}/"
    names = uri.removeprefix("s3://").split("/")
    return uri.startswith(base) and uri.isprintable() and not DOTS & set(names)


def upload_path(folder: Path, client_name: str) -> Path:
    """A new path right in `folder`, by a random name; of the client's own only a plain suffix is kept."""
    own = PurePosixPath(client_name).suffix.lower()
    return folder / (secrets.token_hex(NAME_BYTES) + (own if SUFFIX.fullmatch(own) else ""))


def is_upload(path: Path) -> bool:
    """Whether the name is one of `upload_path`."""
    return OURS.fullmatch(path.name) is not None
