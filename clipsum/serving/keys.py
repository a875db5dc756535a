"""API keys: hashed at rest, compared in constant time, each with scopes and a rate.

A key has 256 random bits, so that a plain SHA-256 cannot be searched; what is guessable is refused.
"""

import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError

from clipsum.config import Config
from clipsum.errors import UsageError, short, wrong_value
from clipsum.serving.refusals import RefusedError

Scope = Literal["summarize", "jobs", "admin"]
ALL_SCOPES: tuple[Scope, ...] = get_args(Scope)
SCOPES: tuple[Scope, ...] = ("summarize", "jobs")
"""What a key may do if nothing is said of it: all but change what is served."""
SHORTEST, NAME_DIGITS = 20, 12
HASHED = "sha256:"
VARIABLE = "CLIPSUM_API_KEYS"
Clock = Callable[[], float]


class ApiKey(Config):
    """What is kept of a key. `burst` requests may come at once, `per_minute` in the long run."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: tuple[Scope, ...] = SCOPES
    per_minute: float = Field(default=60.0, gt=0)
    burst: int = Field(default=10, ge=1)


class KeyFile(Config):
    """A file of keys: one `[[key]]` for each."""

    key: tuple[ApiKey, ...] = ()


class TokenBucket:
    """`burst` at once, `rate_per_s` in the long run. Safe for several threads."""

    def __init__(self, rate_per_s: float, burst: float, clock: Clock = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate_per_s, burst, clock
        self._tokens, self._at = burst, clock()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one: 0.0, or where there is none the seconds until there will be."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            if self._tokens >= 1:
                self._tokens -= 1
                return 0.0
            return (1 - self._tokens) / self._rate

    def change(self, rate_per_s: float, burst: float) -> None:
        """Go on at another rate, with the same part of the burst left."""
        with self._lock:
            now = self._clock()
            saved = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._tokens = saved * burst / self._burst
            self._at, self._rate, self._burst = now, rate_per_s, burst


class KeyRing:
    """The keys of a service. With none, whoever comes may do everything: see `check_bind`.

    Of `processes` that share the work each spends its own part of a key's rate: what all let through stays below it,
    but for bursts, of which each process grants at least one request, and for the time until all know of a new one.
    """

    def __init__(self, keys: Sequence[ApiKey] = (), processes: int = 1, clock: Clock = time.monotonic) -> None:
        self._keys = tuple(keys)
        self._buckets = {key.name: TokenBucket(*_part(key, processes), clock) for key in keys}
        if len(self._buckets) < len(self._keys):
            raise UsageError("two API keys have the same name: give each one of its own")

    def __bool__(self) -> bool:
        return bool(self._keys)

    def admit(self, authorization: str | None, scope: Scope) -> str:
        """The name of the key in the header `Authorization: Bearer …`; "" without any keys.

        Raises: RefusedError, 401 without a known key, 403 outside its scopes, 429 beyond its rate.
        """
        if not self._keys:
            return ""
        kind, _, given = (authorization or "").partition(" ")
        key = self._find(given.strip()) if kind.lower() == "bearer" else None
        if key is None:
            raise RefusedError(401, "unauthorized", "bring a key that is known here: Authorization: Bearer KEY")
        wait_s = self._buckets[key.name].take()
        if wait_s:
            raise RefusedError(429, "rate_limited", "too many requests with this key", wait_s)
        if scope not in key.scopes:
            raise RefusedError(403, "forbidden", f"this key has no right to '{scope}'")
        return key.name

    def share(self, processes: int) -> None:
        """So many share the work from now on."""
        for key in self._keys:
            self._buckets[key.name].change(*_part(key, processes))

    def _find(self, given: str) -> ApiKey | None:
        """The key, after a look at every one, each in constant time."""
        digest, found = hash_of(given), None
        for key in self._keys:
            if hmac.compare_digest(digest, key.sha256):
                found = key
        return found


def _part(key: ApiKey, processes: int) -> tuple[float, float]:
    """Rate per second and burst that one of `processes` grants."""
    return key.per_minute / 60 / processes, max(1.0, key.burst / processes)


def hash_of(secret: str) -> str:
    """What is kept of a key: SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def new_key(name: str, scopes: Sequence[Scope] = SCOPES) -> tuple[str, ApiKey]:
    """A new key, to be shown once, and what is kept of it."""
    secret = f"cs_{secrets.token_urlsafe(32)}"
    return secret, ApiKey(name=name, sha256=hash_of(secret), scopes=tuple(scopes))


def toml_of(key: ApiKey) -> str:
    """A key as a section of a file of keys."""
    scopes = ", ".join(f'"{scope}"' for scope in key.scopes)
    lines = (f'name = "{key.name}"', f'sha256 = "{key.sha256}"', f"scopes = [{scopes}]")
    return "\n".join(("[[key]]", *lines, f"per_minute = {key.per_minute}", f"burst = {key.burst}", ""))


def read_keys(path: str | Path) -> tuple[ApiKey, ...]:
    """The keys of a TOML file. Raises: UsageError, one line."""
    try:
        return KeyFile.model_validate(tomllib.loads(Path(path).read_text("utf-8"))).key
    except OSError as error:
        raise UsageError(f"the file of keys '{path}' cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise UsageError(f"the file of keys '{path}': {wrong_value(error, KeyFile)}") from error
    except ValueError as error:
        raise UsageError(f"the file of keys '{path}' is not valid TOML: {short(error)}") from error


def keys_of(words: str) -> tuple[ApiKey, ...]:
    """The keys of CLIPSUM_API_KEYS: with commas between them, each a key or `sha256:` and its hash.

    Each has its name from its hash: wherever it stands, its jobs are its own. Raises: UsageError, which repeats no key.
    """
    found: dict[str, ApiKey] = {}
    for number, word in enumerate(filter(None, map(str.strip, words.split(","))), 1):
        if not word.startswith(HASHED) and len(word) < SHORTEST:
            raise UsageError(f"key {number} of {VARIABLE} is too short: give {SHORTEST} letters or more, at random")
        digest = word.removeprefix(HASHED).lower() if word.startswith(HASHED) else hash_of(word)
        try:
            found[digest] = ApiKey(name=f"key-{digest[:NAME_DIGITS]}", sha256=digest)
        except ValidationError as error:
            raise UsageError(f"key {number} of {VARIABLE} is no hash: write sha256: and 64 hex digits") from error
    return tuple(found.values())


def check_bind(host: str, ring: KeyRing) -> None:
    """Raises: UsageError where there are no keys and `host` is more than this machine's own loopback."""
    if not ring and not is_loopback(host):
        raise UsageError(f"--host '{host}' is open to others and there is no key: set {VARIABLE}, or use 127.0.0.1")


def is_loopback(host: str) -> bool:
    """Whether it is this machine, as nobody else can mean it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
