"""Small test videos, made by PyAV from seeded pictures: every container and codec that decoding must cope with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, FPS, FRAMES = 160, 120, 25, 90
X264 = {"g": "25", "bf": "3", "preset": "veryfast"}


@lru_cache(maxsize=4)
def pictures(count: int = FRAMES, width: int = WIDTH, height: int = HEIGHT) -> tuple[np.ndarray, ...]:
    """RGB pictures in motion, no two alike: a drifting pattern, a square that moves, some grain."""
    random = np.random.default_rng(7)
    grain = random.normal(0, 6, (height, width, 1))
    y, x = np.mgrid[0:height, 0:width]
    made = []
    for number in range(count):
        waves = [np.sin((x + 3 * number) / 17 + shift) + np.cos((y - 2 * number) / 11 - shift) for shift in (0, 1, 2)]
        picture = 128 + 50 * np.stack(waves, axis=2) + np.roll(grain, 5 * number, axis=1)
        left = 5 * number % (width - 24)
        picture[20:44, left : left + 24] = (230, 30 + number, 60)
        made.append(np.clip(picture, 0, 255).astype(np.uint8))
    return tuple(made)


@dataclass(frozen=True)
class Recipe:
    """How one file is made. `index`: whether its index alone is enough; `made_of` names the file it is cut from."""

    name: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)
    index: bool = False
    pix_fmt: str = "yuv420p"
    steps: tuple[int, ...] = (1,)
    cut_s: float = 0.0


def x265(parameters: str) -> dict[str, str]:
    return {"x265-params": f"log-level=none:keyint=25:min-keyint=25:{parameters}", "preset": "ultrafast"}


def fragments(flags: str) -> dict[str, str]:
    return {"movflags": f"frag_keyframe+{flags}"}


RECIPES = (
    Recipe("closed_gop.mp4", "libx264", X264, index=True),
    Recipe("open_gop.mp4", "libx264", {**X264, "x264-params": "open-gop=1:bframes=3:b-pyramid=normal"}, index=True),
    Recipe("faststart.mov", "libx264", X264, {"movflags": "faststart"}, index=True),
    Recipe("variable_rate.mp4", "libx264", X264, index=True, steps=(1, 1, 3, 1, 2)),
    Recipe("interlaced.mp4", "libx264", {**X264, "x264-params": "tff=1", "flags": "+ildct+ilme"}, index=True),
    Recipe("edit_list.mp4", "libx264", X264, index=True, cut_s=1.3),
    Recipe("hevc_open.mp4", "libx265", x265("open-gop=1:bframes=3"), index=True),
    Recipe("hevc_closed.mp4", "libx265", x265("open-gop=0:bframes=3"), index=True),
    Recipe(
        "vp9.mp4", "libvpx-vp9", {"g": "25", "cpu-used": "8", "lag-in-frames": "16", "auto-alt-ref": "1"}, index=True
    ),
    Recipe("mpeg4.mp4", "mpeg4", {"g": "12", "bf": "2"}, index=True),
    Recipe("intra_refresh.mp4", "libx264", {**X264, "x264-params": "intra-refresh=1:keyint=25"}),
    Recipe("fragmented.mp4", "libx264", X264, fragments("empty_moov")),
    Recipe("delay_moov.mp4", "libx264", X264, fragments("delay_moov+default_base_moof")),
    Recipe("sidx.mp4", "libx264", X264, fragments("empty_moov+default_base_moof+global_sidx")),
    Recipe("dash.mp4", "libx264", X264, fragments("dash+delay_moov+default_base_moof")),
    Recipe("h264.mkv", "libx264", X264),
    Recipe("hevc_open.mkv", "libx265", x265("open-gop=1:bframes=3")),
    Recipe("vp9.webm", "libvpx-vp9", {"g": "25", "cpu-used": "8", "lag-in-frames": "16", "auto-alt-ref": "1"}),
    Recipe("vp8.webm", "libvpx", {"g": "25", "cpu-used": "8", "lag-in-frames": "16", "auto-alt-ref": "1"}),
    Recipe("h264.ts", "libx264", X264),
    Recipe("interlaced.ts", "libx264", {**X264, "x264-params": "tff=1", "flags": "+ildct+ilme"}),
    Recipe("mpeg2.mpg", "mpeg2video", {"g": "12", "bf": "2"}),
    Recipe("mpeg2_interlaced.ts", "mpeg2video", {"g": "12", "bf": "2", "flags": "+ildct+ilme"}),
    Recipe("mpeg4.avi", "mpeg4", {"g": "12", "bf": "2"}),
    Recipe("h264_reordered.avi", "libx264", X264),
    Recipe("h264.flv", "libx264", X264),
)


def make(recipe: Recipe, folder: Path) -> Path:
    """Write the recipe's file into `folder`, unless it stands there."""
    path = folder / recipe.name
    if path.exists():
        return path
    if recipe.cut_s:
        whole = make(Recipe(f"whole_{recipe.name}", recipe.codec, recipe.options, recipe.container), folder)
        return cut(whole, path, recipe.cut_s)
    write(path, recipe.codec, recipe.options, recipe.container, recipe.pix_fmt, recipe.steps)
    return path


def write(
    path: Path,
    codec: str,
    options: dict[str, str],
    container: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    steps: tuple[int, ...] = (1,),
    frames: tuple[np.ndarray, ...] | None = None,
    adjust: Callable[[av.VideoStream], None] = lambda stream: None,
) -> Path:
    """Encode `frames` (default: `pictures()`); frame n lasts `steps[n % len(steps)]` twenty-fifths of a second."""
    frames = pictures() if frames is None else frames
    with av.open(str(path), "w", container_options=container or {}) as output:
        stream = output.add_stream(codec, rate=FPS, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, FPS)
        stream.codec_context.thread_count = 1
        adjust(stream)
        at = 0
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = at, Fraction(1, FPS)
            at += steps[number % len(steps)]
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def cut(whole: Path, path: Path, start_s: float) -> Path:
    """Copy the packets from the key packet before `start_s` on; an edit list hides those before `start_s`."""
    with av.open(str(whole)) as source, av.open(str(path), "w") as output:
        stream = source.streams.video[0]
        copied = output.add_stream_from_template(stream)
        shift = round(start_s / stream.time_base)
        source.seek(shift, stream=stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copied
                output.mux(packet)
    return path


def full_decode(path: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """Every frame with its time on the player's clock, in order, as a player gets them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        start_s = (container.start_time or 0) / av.time_base
        for frame in container.decode(stream):
            yield float(frame.pts * stream.time_base) - start_s, frame


def key_times(path: Path) -> list[float]:
    """The times of the key packets that are shown, on the player's clock."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        start_s = (container.start_time or 0) / av.time_base
        packets = [packet for packet in container.demux(stream) if packet.is_keyframe and not packet.is_discard]
        return [float(packet.pts * stream.time_base) - start_s for packet in packets]
