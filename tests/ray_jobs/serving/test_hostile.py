"""Hostile input to the whole of a service: what only its parts together refuse. The rest is in tests/serving."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.ray_jobs.serving.asking import Asking, processes, refusal, resident_bytes

SLOW_CLIENTS = 24
MEMORY_BYTES = 300 * 2**20
"""By how much the service's processes may grow while it is attacked, all together."""


def write(path: Path, width: int, height: int, times: tuple[int, ...] = (0, 1, 2, 3)) -> Path:
    """Black pictures at these seconds: they take next to no bytes, whatever their size."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
        packets = [packet for _ in times for packet in stream.encode(picture)] + stream.encode(None)
        for second, packet in zip(times, packets, strict=True):
            packet.pts = packet.dts = second
            packet.time_base = Fraction(1, 1)
            container.mux(packet)
    return path


@pytest.fixture(scope="module", autouse=True)
def _stays_small_and_clean(service: Asking, kitchen: Path) -> Iterator[None]:
    """After all of it the service answers, holds no upload, runs in the processes that it had, and has not grown."""
    video = min(kitchen.glob("*.mp4"))
    assert service.upload(video).status_code == 200
    before, replicas = resident_bytes(), {process.pid for process in processes("ServeReplica:clipsum")}
    yield
    assert service.upload(video).status_code == 200
    assert resident_bytes() - before < MEMORY_BYTES
    assert {process.pid for process in processes("ServeReplica:clipsum")} == replicas
    assert list(Path(service.config.uploads).iterdir()) == []


def test_pictures_larger_than_allowed_are_refused_before_they_are_decoded(service: Asking, tmp_path: Path) -> None:
    bomb = write(tmp_path / "bomb.mp4", 4096, 2304)
    assert bomb.stat().st_size < 100_000
    answer = service.upload(bomb)
    assert refusal(answer) == (413, "too_many_pixels")


def test_a_small_file_of_many_hours_is_refused(service: Asking, tmp_path: Path) -> None:
    answer = service.upload(write(tmp_path / "long.mp4", 64, 48, tuple(range(0, 360_000, 30_000))))
    assert refusal(answer) == (413, "too_long")


def test_what_is_no_video_is_refused_whatever_it_is_called(service: Asking, tmp_path: Path) -> None:
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    concat = "ffconcat version 1.0\nfile /etc/passwd\nfile http://169.254.169.254/latest/meta-data\n"
    kinds = {
        "playlist.m3u8": playlist.encode(),
        "concat.mp4": concat.encode(),
        "plain.mp4": b"root:x:0:0" * 99,
        "zip.mp4": b"PK\3\4" + bytes(9999),
        "picture.mp4": b"\x89PNG\r\n\x1a\n" + bytes(999),
    }
    seen = {}
    for name, data in kinds.items():
        (tmp_path / name).write_bytes(data)
        seen[name] = refusal(service.upload(tmp_path / name))
    assert set(seen.values()) <= {(415, "not_a_video"), (422, "corrupt"), (422, "no_video_stream")}, seen


def test_damaged_videos_are_refused_or_summarised_and_nothing_else(
    service: Asking, kitchen: Path, tmp_path: Path
) -> None:
    whole, seen, random = min(kitchen.glob("*.mp4")).read_bytes(), Counter[str](), np.random.default_rng(5)
    for number in range(12):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 200):
            data[place] ^= int(random.integers(1, 256))
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(data[: len(data) // 2] if number % 3 == 0 else data)
        answer = service.upload(path)
        reason = "ok" if answer.status_code == 200 else refusal(answer)[1]
        seen[reason] += 1
    assert set(seen) <= {"ok", "corrupt", "not_a_video", "no_video_stream", "unsupported_codec", "too_long"}, seen
    assert seen["ok"] < 12


def test_uploads_beyond_the_cap_are_refused_with_and_without_a_length(service: Asking) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}

    def endless() -> Iterator[bytes]:
        yield head
        for _ in range(service.config.upload_bytes // 2**20 + 8):
            yield bytes(2**20)

    assert refusal(service.post(data=endless(), headers=kind)) == (413, "too_large")
    stated = b"POST /v1/summaries HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\nConnection: close\r\n"
    fields = f"Content-Type: {kind['Content-Type']}\r\nAuthorization: Bearer {service.keys['user']}\r\n\r\n".encode()
    with connected(service) as connection:
        connection.sendall(stated + fields)  # and nothing more
        assert b" 413 " in connection.recv(65536).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "uri",
    ["file:///etc/passwd", "/etc/passwd", "s3://foreign/a.mp4", "s3://allowed/videos/../a.mp4", "https://127.0.0.1/a.mp4",
     "https://[::ffff:7f00:1]/a.mp4", "https://2130706433/a.mp4", "https://169.254.169.254/latest/meta-data/"],
)  # fmt: skip
def test_what_may_not_be_named_is_refused(service: Asking, uri: str) -> None:
    answer = service.post(json={"uri": uri})
    assert refusal(answer) == (403, "access_denied")
    assert uri not in answer.text


@pytest.mark.parametrize("key", ["", "wrong", "Bearer x", "a" * 5000])
def test_a_bad_key_is_refused(service: Asking, key: str) -> None:
    answer = service.post(key=None, headers={"Authorization": f"Bearer {key}".strip()}, json={})
    assert refusal(answer) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_slow_clients_hold_nobody_up(service: Asking, kitchen: Path) -> None:
    """They send a few bytes of a header, or of a body, and then wait."""
    head = b"POST /v1/summaries HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    body = b"Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n{"
    slow = [connected(service) for _ in range(SLOW_CLIENTS)]
    for number, connection in enumerate(slow):
        connection.sendall(head + (body if number % 2 else b""))
    began = time.monotonic()
    answer = service.upload(min(kitchen.glob("*.mp4")))
    assert answer.status_code == 200
    assert time.monotonic() - began < 10
    for connection in slow:
        connection.close()


def connected(service: Asking) -> socket.socket:
    host, _, port = service.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=20)
