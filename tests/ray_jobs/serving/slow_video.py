"""A small file that takes long to decode: one group of pictures, of which every one must be decoded."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, FPS = 640, 480, 1000


def write_slow_video(path: Path, pictures: int = 110_000) -> Path:
    """Pictures that all depend on the one before, the first two of them again and again; some 10 s of one core."""
    packets = []
    with av.open(str(path.with_suffix(".once.mp4")), "w") as once:
        stream = once.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "tune": "zerolatency", "g": "99"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), 99, np.uint8), format="rgb24")
            packets += stream.encode(frame)
        for packet in packets:
            once.mux(packet)
    with av.open(str(path.with_suffix(".once.mp4"))) as once, av.open(str(path), "w") as container:
        copy = container.add_stream_from_template(once.streams.video[0])
        first, second = [packet for packet in once.demux(video=0) if packet.size]
        for number in range(pictures):
            again = av.Packet(bytes(first if number == 0 else second))
            again.stream, again.time_base, again.is_keyframe = copy, Fraction(1, FPS), number == 0
            again.pts = again.dts = number
            container.mux(again)
    return path
