"""A video of a second for health checks, made on the spot: what it takes to decode and to summarise it must work."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from clipsum.records import Segment, Transcript, VideoRef
from clipsum.serving.videos import Video

PROBE = Video(VideoRef("probe", "probe", ""), Transcript((Segment("stir the soup"),), "manifest"), "probe")
"""A decoder knows it by its address, and takes the file that it has made itself."""
SIZE_PX, FRAMES, FPS = 64, 8, 8


def write_probe(path: Path) -> None:
    """Write it: a brightening square, H.264 in MP4."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width = stream.height = SIZE_PX
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, FPS)
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((SIZE_PX, SIZE_PX, 3), 30 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
