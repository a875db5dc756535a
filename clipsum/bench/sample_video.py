"""The video that S1 to S3 are measured on: 5 minutes of 720p H.264 at 30 fps with a key frame every 5 seconds.

The picture is a pan over a rough texture under film grain, coded at 1.8 Mbit/s, a usual rate of 720p video on the web:
key frames are then about a twentieth of the bytes.
"""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 1280, 720, 30
Plane = NDArray[np.int16]


def write_sample(path: Path, duration_s: int = 300, gop_s: int = 5) -> Path:
    """Write the video to `path` unless it stands there already; two minutes of work. Returns `path`."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.mp4")
    random = np.random.default_rng(0)
    luma, red, blue = (_texture(random, scale) for scale in (2, 1, 1))
    grain = random.normal(0, 3, luma.shape).astype(np.int16)
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "veryfast", "b": "1800000", "g": str(gop_s * FPS), "sc_threshold": "0"}
        for number in range(duration_s * FPS):
            planes = [_view(luma, number, 2) + _shifted(grain, random), _view(red, number, 1), _view(blue, number, 1)]
            flat = np.concatenate([np.clip(plane, 16, 235).astype(np.uint8).reshape(-1, WIDTH) for plane in planes])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(flat, format="yuv420p")))
        container.mux(stream.encode())
    return part.rename(path)


def _texture(random: np.random.Generator, scale: int) -> Plane:
    """Noise of five octaves, (scale * HEIGHT, scale * WIDTH): twice the picture's plane each way."""
    shape = (scale * HEIGHT, scale * WIDTH)
    total = np.zeros(shape, np.float32)
    for octave in (scale * size for size in (8, 10, 20, 40, 80)):
        coarse = random.uniform(-1, 1, (shape[0] // octave, shape[1] // octave)).astype(np.float32)
        total += np.kron(coarse, np.ones((octave, octave), np.float32)) * octave
    texture: Plane = (128 + 100 * total / np.abs(total).max()).astype(np.int16)
    return texture


def _view(plane: Plane, number: int, scale: int) -> Plane:
    """Where the camera looks in picture `number`, between whole pixels, as a camera held by hand does."""
    height, width = HEIGHT * scale // 2, WIDTH * scale // 2
    down = (0.5 + 0.5 * np.sin(number / 100)) * (HEIGHT / 2 - 1) * scale
    right = (0.5 + 0.5 * np.cos(number / 60)) * (WIDTH / 2 - 1) * scale
    top, left, eighths = int(down), int(right), int(8 * (right % 1))
    here, beside = (plane[top + step :, left + step :][:height, :width] for step in (0, 1))
    blended: Plane = (here * (8 - eighths) + beside * eighths) >> 3
    return blended


def _shifted(grain: Plane, random: np.random.Generator) -> Plane:
    top, left = random.integers(0, HEIGHT), random.integers(0, WIDTH)
    return grain[top : top + HEIGHT, left : left + WIDTH]
