"""`clipsum dataset youcook2|how2|videoxum|tvsum|summe|qfvs …`: a dataset's own files to manifests for every job."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.table import Table

from clipsum import storage
from clipsum.datasets import annotated
from clipsum.datasets.annotated import Written, write_dataset
from clipsum.datasets.annotation_files import find_videos
from clipsum.datasets.benchmark_splits import Dataset
from clipsum.datasets.benchmarks import Setting, qfvs_folds, read_benchmark
from clipsum.datasets.how2 import Part, read_how2
from clipsum.datasets.qfvs import read_qfvs
from clipsum.datasets.splits import Split
from clipsum.datasets.videoxum import read_videoxum
from clipsum.datasets.youcook2 import read_youcook2
from clipsum.errors import ItemError, UsageError, one_of, refused
from clipsum.reports.units import counted

dataset: typer.Typer = typer.Typer(help="Published datasets as manifests.", no_args_is_help=True)
Videos = Annotated[
    str, typer.Option("--videos", metavar="DIR", help="Videos named by id: folder, glob or s3:// prefix.")
]
Output = Annotated[str, typer.Option("--output", metavar="FILE", help="The manifest, .jsonl: local or s3://.")]
File = Annotated[str | None, typer.Option(metavar="FILE")]
Splits = Annotated[str | None, typer.Option(metavar="FILE", help="Published JSON of train_keys and test_keys.")]
SettingName = Annotated[str, typer.Option("--setting", help="canonical, augmented or transfer.")]
TVSUM = "ydata-tvsum50.mat, or the HDF5 file that the field shares"
SUMME = "SumMe's folder GT, or the HDF5 file that the field shares"
Beside = Annotated[str | None, typer.Option(metavar="FILE.h5", help="HDF5 file of one more dataset that teaches.")]


@dataset.command(no_args_is_help=True)
def youcook2(
    annotations: Annotated[str, typer.Option(metavar="FILE", help="youcookii_annotations_trainval.json.")],
    videos: Videos,
    output: Output,
    summaries: Annotated[str | None, typer.Option(metavar="FILE", help='Lines of "video id, blank, text".')] = None,
) -> int:
    """YouCook2: annotated steps as timed transcripts; without --summaries nothing can be trained or scored."""
    found, notes = read_youcook2(annotations, summaries)
    return _write(found, videos, output, notes, want_summaries=summaries is not None)


@dataset.command(no_args_is_help=True)
def how2(
    split: Annotated[list[str], typer.Option(help="train, validation or test; the files that follow are its own.")],
    summaries: Annotated[list[str], typer.Option(metavar="FILE", help="One a line; once for each --split.")],
    videos: Videos,
    output: Output,
    transcripts: Annotated[list[str] | None, typer.Option(metavar="FILE", help="Likewise.")] = None,
    ids: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Likewise; without it each line opens with its id.")
    ] = None,
) -> int:
    """How2's line files: for each split summaries, transcripts and ids in the same order."""
    given = {"--summaries": summaries, "--transcripts": transcripts or [], "--ids": ids or []}
    for name, files in given.items():
        if len(files) != len(split) and (files or name == "--summaries"):
            raise UsageError(f"{name} is given {len(files)} times for {len(split)} --split: give it once for each")
    nothing = [None] * len(split)
    parts = [Part(*files) for files in zip(split, summaries, transcripts or nothing, ids or nothing, strict=True)]
    return _write(read_how2(parts), videos, output)


@dataset.command(no_args_is_help=True)
def videoxum(videos: Videos, output: Output, train: File = None, validation: File = None, test: File = None) -> int:
    """VideoXum's JSON files, one for each official split: summaries, and what ten annotators chose."""
    given: dict[Split, str | None] = {"train": train, "validation": validation, "test": test}
    files = {split: place for split, place in given.items() if place is not None}
    if not files:
        raise UsageError("no annotations are given: name --train, --validation or --test, each a JSON file of VideoXum")
    return _write(read_videoxum(files), videos, output)


@dataset.command(no_args_is_help=True)
def tvsum(
    tvsum: Annotated[str, typer.Option(metavar="FILE", help=f"{TVSUM}.")],
    videos: Videos,
    output: Output,
    splits: Splits = None,
    setting: SettingName = "canonical",
    summe: Annotated[str | None, typer.Option(metavar="DIR", help=f"{SUMME}, to teach as well.")] = None,
    ovp: Beside = None,
    youtube: Beside = None,
) -> int:
    """TVSum: what twenty people gave each second; with --splits a manifest for each fold."""
    places = _places(tvsum=tvsum, summe=summe, ovp=ovp, youtube=youtube)
    unread: list[str] = []
    found = read_benchmark("tvsum", places, splits, _setting(setting), partial(_durations, videos, unread))
    return _write_folds(found, videos, output, _not_opened(unread))


@dataset.command(no_args_is_help=True)
def summe(
    summe: Annotated[str, typer.Option(metavar="DIR", help=f"{SUMME}.")],
    videos: Videos,
    output: Output,
    splits: Splits = None,
    setting: SettingName = "canonical",
    tvsum: Annotated[str | None, typer.Option(metavar="FILE", help=f"{TVSUM}, to teach as well.")] = None,
    ovp: Beside = None,
    youtube: Beside = None,
) -> int:
    """SumMe: which seconds each person chose; with --splits a manifest for each fold."""
    places = _places(summe=summe, tvsum=tvsum, ovp=ovp, youtube=youtube)
    unread: list[str] = []
    found = read_benchmark("summe", places, splits, _setting(setting), partial(_durations, videos, unread))
    return _write_folds(found, videos, output, _not_opened(unread))


@dataset.command(no_args_is_help=True)
def qfvs(
    qfvs: Annotated[str, typer.Option(metavar="DIR", help="With Dense_per_shot_tags and Oracle_summaries.")],
    videos: Videos,
    output: Output,
) -> int:
    """QFVS: four videos with 45 queries each and what answers them; a manifest for each of four rounds."""
    return _write_folds(qfvs_folds(read_qfvs(qfvs)), videos, output)


def _places(**given: str | None) -> dict[Dataset, str]:
    known: tuple[Dataset, ...] = get_args(Dataset)
    return {name: place for name in known if (place := given.get(name)) is not None}


def _durations(videos: str, unread: list[str], ids: Sequence[str]) -> dict[str, float]:
    """How long the files of these ids are, by their containers; one that cannot be opened has no length: `unread`."""
    from clipsum.video.length import duration_of

    found, _ = find_videos(storage.canonical(videos), set(ids)) if ids else ({}, [])
    lengths: dict[str, float] = {}
    for video_id, uri in found.items():
        try:
            lengths[video_id] = duration_of(uri)
        except ItemError:
            unread.append(video_id)
    return lengths


def _not_opened(unread: Sequence[str]) -> list[str]:
    if not unread:
        return []
    count = counted(len(unread), "video")
    return [f"{count} cannot be opened, so nobody knows their length: without marks, in no figure, e.g. {unread[0]}"]


def _setting(name: str) -> Setting:
    known: dict[str, Setting] = {each: each for each in get_args(Setting)}
    if name not in known:
        raise one_of(name, known, "--setting")
    return known[name]


def _write_folds(
    folds: Sequence[Sequence[annotated.Annotated]], videos: str, output: str, notes: Sequence[str] = ()
) -> int:
    """A manifest for each fold: `data.jsonl` becomes `data.1.jsonl` and on, where there are several."""
    for number, fold in enumerate(folds, start=1):
        place = output if len(folds) == 1 else f"{output.removesuffix('.jsonl')}.{number}.jsonl"
        if len(folds) > 1 and not output.endswith(".jsonl"):
            raise UsageError(f"--output '{output}': name a manifest that ends in .jsonl")
        _write(fold, videos, place, notes, want_summaries=False)
    return 0


def _write(
    found: Sequence[annotated.Annotated],
    videos: str,
    output: str,
    notes: Sequence[str] = (),
    want_summaries: bool = True,
) -> int:
    try:
        written = write_dataset(found, storage.canonical(videos), storage.canonical(output), notes, want_summaries)
    except ItemError as error:
        raise refused(f"--output '{output}' cannot be written", error) from error
    _tell(written)
    return 0


def _tell(written: Written) -> None:
    """Counts by split, and where the manifest and the list of what is missing are."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("split", *annotated.COUNTS):
        table.add_column(head, justify="left" if head == "split" else "right")
    for split, counts in written.counts.items():
        table.add_row(split, *(f"{counts[name]:,}" for name in annotated.COUNTS))
    total = [f"{sum(counts[name] for counts in written.counts.values()):,}" for name in annotated.COUNTS]
    table.add_row("all", *total)
    console = Console()
    console.print(table)
    for note in written.notes:
        console.print(note, highlight=False, markup=False)
    if written.missing:
        console.print(f"Missing:  {written.missing}", highlight=False, soft_wrap=True)
    console.print(f"Manifest: {written.manifest}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("dataset")
