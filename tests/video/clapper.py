"""A video in which a white flash and a beep fall on the same moment, every second, and where they are in a file."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FPS, RATE, SECONDS = 25, 44_100, 12
FLASH_S = 0.08
CLAPS = [second + 0.52 for second in range(SECONDS)]


def write_clapper(path: Path, gop: int = 25, sound: bool = True, silent_from_s: float = SECONDS) -> Path:
    """12 s of it as H.264 and AAC; the sound breaks off at `silent_from_s`."""
    with av.open(str(path), "w") as output:
        pictures = output.add_stream("libx264", rate=FPS, options={"g": str(gop), "bf": "2", "preset": "ultrafast"})
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        samples = output.add_stream("aac", rate=RATE) if sound else None
        if samples:
            samples.layout = "mono"
        for number in range(SECONDS * FPS):
            shade = 235 if _claps(number / FPS) else 20 + number % 25
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), shade, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            output.mux(pictures.encode(frame))
        output.mux(pictures.encode())
        if samples:
            _write_sound(output, samples, int(silent_from_s * RATE))
    return path


def _claps(time_s: float) -> bool:
    return any(clap - 1e-6 <= time_s < clap + FLASH_S - 1e-6 for clap in CLAPS)


def _write_sound(output, samples, count):
    times = np.arange(count) / RATE
    since = (times - 0.52) % 1.0
    wave = np.where(since < FLASH_S, 0.7 * np.sin(2 * np.pi * 1000 * times), 0.0).astype(np.float32)
    for start in range(0, count, 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        output.mux(samples.encode(frame))
    output.mux(samples.encode())


def flashes(path: Path) -> list[float]:
    """When the picture turns white."""
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="gray").mean() > 128) for frame in container.decode(video=0)]
    return [
        time_s for (time_s, white), (_, before) in zip(frames, [(0, False), *frames], strict=False) if white > before
    ]


def beeps(path: Path) -> list[float]:
    """When the sound begins."""
    with av.open(str(path)) as container:
        times, loud = [], []
        for frame in container.decode(audio=0):
            wave = frame.to_ndarray().reshape(len(frame.layout.channels), -1)[0]
            times.append(frame.time + np.arange(len(wave)) / frame.sample_rate)
            loud.append(np.abs(wave) > 0.2)
    at, is_loud = np.concatenate(times), np.concatenate(loud)
    heard = at[is_loud]
    return heard[np.diff(heard, prepend=-1) > 0.3].tolist()
