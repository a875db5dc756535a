"""The corpus on disk: for each split a folder of mp4 and `.vtt` files, and a manifest that alone holds the truth."""

import functools
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipsum.datasets.kitchen.importance import annotate
from clipsum.datasets.kitchen.language import narration, oracle_narration, queries, summary
from clipsum.datasets.kitchen.recipe import LONG, Split, Step, Video, make_video
from clipsum.datasets.kitchen.render import render_video
from clipsum.errors import UsageError

MANIFEST = "manifest.jsonl"
PROPORTIONS: dict[Split, int] = {"train": 3000, "validation": 200, "test": 400, "ood": 300}
Progress = Callable[[int, int], None]


def generate_corpus(
    output: str | Path,
    videos: int,
    seed: int = 0,
    split_ood: bool = False,
    workers: int | None = None,
    long_videos: int = 0,
    size_px: int = 128,
    on_done: Progress | None = None,
) -> dict[Split, Path]:
    """Render `videos` videos below `output`, shared out over the splits; returns each split's manifest.

    `split_ood` takes a part of them out of distribution; `long_videos` come on top (720p, long GOPs, recipes of
    the test split's triples), and with `split_ood` as many of the out-of-distribution triples. The same arguments give
    the same corpus, whatever the number of `workers` (default: one per core). `on_done(done, total)` is called after
    each video.
    Raises: UsageError when there are fewer videos than splits, or the folder cannot be written.
    """
    sizes = share_out(videos, split_ood)
    if long_videos:
        sizes |= dict.fromkeys(LONG if split_ood else LONG[:1], long_videos)
    total, before = sum(sizes.values()), 0
    manifests: dict[Split, Path] = {}
    with _renderers(workers, total) as pool:
        for split, count in sizes.items():
            report = _after(on_done, before, total) if on_done else None
            manifests[split] = _write_split(Path(output) / split, split, count, seed, pool, size_px, report)
            before += count
    return manifests


def share_out(videos: int, split_ood: bool = False) -> dict[Split, int]:
    """How many videos each split gets: in the full corpus's proportions, at least one each.

    Raises: UsageError when there are fewer videos than splits.
    """
    parts = {split: part for split, part in PROPORTIONS.items() if split_ood or split != "ood"}
    if videos < len(parts):
        raise UsageError(f"videos={videos} is too few: {len(parts)} splits need at least one each; ask for more")
    whole = sum(parts.values())
    sizes = {split: max(1, round(videos * part / whole)) for split, part in parts.items()}
    sizes["train"] += videos - sum(sizes.values())
    return sizes


def write_split(
    folder: Path,
    split: Split,
    count: int,
    seed: int = 0,
    workers: int | None = None,
    size_px: int = 128,
    on_done: Progress | None = None,
) -> Path:
    """Render videos 0 to `count` - 1 of one split into `folder` and write its manifest last; returns its path.

    Raises: UsageError when the folder cannot be written.
    """
    with _renderers(workers, count) as pool:
        return _write_split(folder, split, count, seed, pool, size_px, on_done)


def _write_split(
    folder: Path, split: Split, count: int, seed: int, pool: Executor | None, size_px: int, on_done: Progress | None
) -> Path:
    """As `write_split`, by the processes of `pool`; without one, or for a single video, in this process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"output '{folder}' cannot be written: {error.strerror}; name another folder") from error
    work = functools.partial(_write_video, split, seed, folder, size_px)
    rows = []
    for row in map(work, range(count)) if pool is None or count == 1 else pool.map(work, range(count)):
        rows.append(row)
        if on_done:
            on_done(len(rows), count)
    path = folder / MANIFEST
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@contextmanager
def _renderers(workers: int | None, videos: int) -> Iterator[Executor | None]:
    """As many processes as are worth their start, each of which draws one video at a time; None for a single one."""
    workers = min(workers or os.cpu_count() or 1, videos)
    if workers == 1:
        yield None
        return
    # Spawned, because a fork of a process with threads (torch, Ray) can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        yield pool


def manifest_row(video: Video) -> dict[str, Any]:
    """The truth about one video: the columns of an input manifest, and beside them what evaluation needs.

    There is no `transcript` column: the words are read from the `.vtt` or the file's own track, as for any archive.
    """
    return {
        "video": f"{video.video_id}.mp4",
        "video_id": video.video_id,
        "split": video.split,
        "index": video.index,
        "seed": video.seed,
        "duration_s": video.duration_s,
        "summary": summary(video.steps),
        "narration": " ".join(narration(video)),
        "oracle_transcript": " ".join(oracle_narration(video)),
        "shuffled": video.shuffled,
        "spoken_order": video.spoken_order,
        "anchor_slot": video.anchor_slot,
        "hidden_slot": video.hidden_slot,
        "steps": [_step_row(step) for step in video.steps],
        "queries": queries(video),
        "importance": annotate(video),
    }


def _step_row(step: Step) -> dict[str, Any]:
    return {name: getattr(step, name) for name in Step.__dataclass_fields__}


def _end_with_parent() -> None:
    """Let this worker end when its parent does, however that ends: a worker alone would wait for work for ever."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _write_video(split: Split, seed: int, folder: Path, size_px: int, index: int) -> dict[str, Any]:
    video = make_video(split, index, seed)
    render_video(video, folder, size_px)
    return manifest_row(video)


def _after(on_done: Progress, before: int, total: int) -> Progress:
    return lambda done, _: on_done(before + done, total)
