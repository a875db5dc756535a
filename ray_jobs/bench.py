"""`clipsum bench`: each speed target with ours, the other way, the ratio and the limit, measured on this machine."""

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from clipsum import storage
from clipsum.bench.lines import Line
from clipsum.config import DEFAULT_BUNDLE
from clipsum.errors import ItemError, UsageError, one_of

TARGETS = ("S1", "S2", "S3", "S4", "S5", "S6", "S8", "S9", "S10")


def bench(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET]...", help="S1 to S6, S8 to S10; all when left out.")
    ] = None,
    s3: Annotated[
        str | None, typer.Option(metavar="S3://BUCKET/PREFIX", help="Measure S1 and S3 from there too.")
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Measure S1 to S3 on this, not on a made video."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keeps the sample videos and bench.json for the next time.")
    ] = None,
    videos: Annotated[int, typer.Option(min=1, help="Videos of the batch job of S6.")] = 200,
    bundle: Annotated[str, typer.Option(help="Bundle of S6, S9 and S10.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, help="Counted rounds of each way; the median is taken.")] = 5,
    address: Annotated[str | None, typer.Option(help="Ray cluster for S6 and S10; else this machine.")] = None,
) -> int:
    """Measure the speed targets on this machine."""
    chosen = {_known(target) for target in targets or TARGETS}
    console = Console()
    with TemporaryDirectory(prefix="clipsum-bench-") as scratch:
        folder = output or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        lines = []
        for line in _measure(chosen, folder, video, s3, videos, bundle, rounds, address):
            lines.append(line)
            (folder / "bench.json").write_text(json.dumps([asdict(each) for each in lines], indent=1))
            console.print(f"{line.verdict} {line.target} {line.what}: {line.ratio_text} ({line.limit})")
    console.print(_table(lines))
    return 0


def _known(target: str) -> str:
    if target.upper() not in TARGETS:
        raise one_of(target, TARGETS, "target")
    return target.upper()


def _measure(
    chosen: set[str],
    folder: Path,
    video: Path | None,
    s3: str | None,
    videos: int,
    bundle: str,
    rounds: int,
    address: str | None,
) -> Iterator[Line]:
    if chosen & {"S1", "S2", "S3"}:
        from clipsum.bench.decode import decode_lines
        from clipsum.bench.sample_video import write_sample

        sample = _decodable(video) if video else write_sample(folder / "sample-720p-5min.mp4")
        yield from (line for line in decode_lines(sample, _uploaded(sample, s3), rounds) if line.target in chosen)
    if chosen & {"S4", "S5"}:
        from clipsum.bench.encode import encode_lines

        yield from (line for line in encode_lines(rounds) if line.target in chosen)
    if "S8" in chosen:
        from clipsum.bench.training import training_line

        yield training_line(rounds)
    if "S6" in chosen:
        from ray_jobs.bench_batch import batch_line

        yield batch_line(folder, videos, bundle, address)
    if "S9" in chosen:
        from clipsum.bench.generation import generation_line

        yield generation_line(bundle, rounds)
    if "S10" in chosen:
        from ray_jobs.bench_serve import serve_lines

        yield from serve_lines(folder, bundle, rounds, address)


def _decodable(video: Path) -> Path:
    from clipsum.bench.decode import ours

    try:
        ours(str(video), "auto")
    except ItemError as error:
        raise UsageError(f"--video '{video}' cannot be measured, {error.reason}: {error.detail}") from error
    return video


def _uploaded(sample: Path, prefix: str | None) -> str | None:
    if prefix is None:
        return None
    uri = storage.join(prefix, sample.name)
    if not storage.exists(uri):
        storage.write_bytes(uri, sample.read_bytes())
    return uri


def _table(lines: list[Line]) -> Table:
    title = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    table = Table("", "what", "ours", "the other way", "ratio", "limit", title=title, title_justify="left")
    for line in lines:
        style = {True: "green", False: "bold red", None: "yellow"}[line.ok]
        ratio = f"[{style}]{line.ratio_text}[/]"
        table.add_row(line.target, line.what, line.ours, line.other, ratio, line.limit)
    return table


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("bench")
