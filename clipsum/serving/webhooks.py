"""Webhooks, signed with HMAC-SHA256 over the time and the body: neither can be changed, nor sent again later.

They come at least once: `Idempotency-Key` is the job's id, the same each time.
"""

import hashlib
import hmac
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

import urllib3

from clipsum.storage.guard import GuardedConnection, GuardedPool, check_host

SIGNATURE, IDEMPOTENCY = "ClipSum-Signature", "Idempotency-Key"
TOLERANCE_S = 300
TIMEOUT_S, TOTAL_S = 10.0, 30.0
"""How long the other side may be silent, and how long it may take in all; a delivery is held for longer."""


class HastyConnection(GuardedConnection):
    """One that breaks after `TOTAL_S`, however slowly the other side goes on."""

    _timer: threading.Timer | None = None

    def connect(self) -> None:
        """As urllib3's."""
        self._timer = threading.Timer(TOTAL_S, self._break)
        self._timer.daemon = True
        self._timer.start()
        super().connect()

    def close(self) -> None:
        """As urllib3's."""
        if self._timer is not None:
            self._timer.cancel()
        super().close()

    def _break(self) -> None:
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # TLS's own shutdown is not for another thread


class HastyPool(GuardedPool):
    """Connections that are guarded, and break."""

    ConnectionCls = HastyConnection


def send(url: str, body: bytes, headers: Mapping[str, str], hosts: Sequence[str]) -> int:
    """POST to one of `hosts`, never to an internal address, and follow nothing; the status of the answer.

    Raises: ItemError (access_denied) for another host; urllib3's errors where nobody answers.
    """
    check_host(url, hosts)
    with urllib3.PoolManager(num_pools=1, timeout=TIMEOUT_S, retries=False) as pool:
        pool.pool_classes_by_scheme = {"https": HastyPool}
        answer = pool.request("POST", url, body=body, headers=dict(headers), preload_content=False, redirect=False)
        answer.release_conn()
        return answer.status


def signature(secret: str, body: bytes, time_s: float) -> str:
    """The value of the header: `t=<seconds since 1970>,v1=<hex of HMAC-SHA256 over "t.body">`."""
    stamp = str(int(time_s))
    return f"t={stamp},v1={hmac.new(secret.encode(), stamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def is_signed(secret: str, body: bytes, header: str, now_s: float) -> bool:
    """Whether the header is of this body and secret, and not older or newer than `TOLERANCE_S`; for the receiver."""
    stamp = header.partition(",")[0].removeprefix("t=")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16 and abs(now_s - int(stamp)) <= TOLERANCE_S):
        return False
    return hmac.compare_digest(signature(secret, body, int(stamp)).encode(), header.encode("utf-8", "replace"))
