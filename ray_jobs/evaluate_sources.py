"""Summaries to be scored: of stored embeddings, written in this process, or of videos, by the pipeline on Ray."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console

from clipsum import storage
from clipsum.datasets import embedding_rows
from clipsum.datasets.embedded import EmbeddedSet, open_embedded
from clipsum.datasets.manifest import list_sources
from clipsum.datasets.marks import Marks
from clipsum.errors import UsageError
from clipsum.evaluation.cases import Case, write_cases
from clipsum.evaluation.costs import peak_memory
from clipsum.evaluation.evaluate import choose_splits
from clipsum.evaluation.reencode import as_seen_by, is_reencoded
from clipsum.highlights.select import HighlightConfig
from clipsum.models.bundle import Bundle
from clipsum.models.summarize import Summarizer
from clipsum.records import VideoRef
from clipsum.reports.units import counted
from clipsum.rows import Thumbnail
from ray_jobs import manifest, parts, run_record
from ray_jobs.archive_run import ArchiveRun
from ray_jobs.call import Call, part_rows, stage_settings
from ray_jobs.config import SummarizeConfig
from ray_jobs.jobs import SUMMARIZE
from ray_jobs.memory import peak_bytes
from ray_jobs.progress import CountLine

RUN = "run"
"""Folder of the output that holds the run over a manifest's videos; the same call again goes on with it."""
Thumbnails = dict[str, Sequence[Thumbnail]]


@dataclass(frozen=True, repr=False)
class Found:
    """The cases of some data; `facts` of the data; `thumbnails` of some ids, read when they are asked for.

    `costs`: where the seconds a stage took come from, in words. `exit_code` is not 0 where a run ended before its end.
    """

    cases: Sequence[Case]
    facts: Mapping[str, Any]
    thumbnails: Callable[[Collection[str]], Thumbnails]
    peak_memory: Mapping[str, int]
    exit_code: int = 0


def from_embeddings(
    place: str,
    bundle: Bundle,
    splits: Sequence[str],
    console: Console,
    marks: Mapping[str, Marks] | None = None,
    highlights: HighlightConfig | None = None,
) -> Found:
    """Write the summaries of stored embeddings; of pixels, where the bundle's encoder is another and they are stored.

    `marks`: by id, what people marked, to compare scores of frames with; `highlights`: how shots are found.

    Raises: UsageError: none there, or made for another bundle.
    """
    data = open_embedded(place)
    chosen = choose_splits(data.splits, splits)
    parted = [data.of_split(split) for split in chosen]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    summarizer, costs = Summarizer(bundle, device), stored_costs(place)
    cases: list[Case] = []
    with CountLine(console, "Summarising", "videos") as line:
        for part in parted:
            videos, paid = as_seen_by(bundle, part, costs, device)
            for case in write_cases(videos, summarizer, paid, marks=marks, highlights=highlights):
                cases.append(case)
                line.show(len(cases), sum(map(len, parted)))
    failures: Counter[str] = sum((Counter(part.failures) for part in parted), Counter())
    facts = {
        "kind": "embeddings",
        "failures": dict(failures),
        "pending": data.pending,
        "seconds": "decode (CPU) and encode as clipsum embed measured them, generate (wall) in this process",
        **_reencoding(bundle, data),
    }
    return Found(
        cases, facts, lambda ids: _thumbnails_of([part.bare() for part in parted], ids), peak_memory(peak_bytes())
    )


def from_videos(
    source: str,
    output: str,
    bundle: str,
    splits: Sequence[str],
    config: SummarizeConfig,
    address: str | None,
    console: Console,
    may_lack_references: bool = False,
) -> Found:
    """Decode, encode and summarise the videos of a manifest on Ray, into `output`/run, where they are not yet.

    Raises: UsageError: no reference to score against, or what `clipsum summarize` refuses.
    """
    all_refs = list(list_sources((source,), config.allow_https))
    chosen = choose_splits(Counter(ref.split or "" for ref in all_refs), splits)
    refs = [ref for ref in all_refs if (ref.split or "") in chosen]
    if not may_lack_references and not any(ref.summary for ref in refs):
        videos = counted(len(refs), "video")
        raise UsageError(f"manifest '{source}' has no reference for {videos}: add a column 'summary'")
    place = storage.join(output, RUN)
    call = Call(SUMMARIZE, (source,), place, bundle, config.model_copy(update={"drop_unlisted": True}), address=address)
    with TemporaryDirectory(prefix="clipsum-") as scratch:
        settings = stage_settings(call)
        rows = part_rows(call, settings)
        listed = manifest.write(refs, Path(scratch), manifest.file_rows(rows))
        exit_code = ArchiveRun(call, settings, listed, console).go()
    run = run_record.read(place) or {}
    held = [attempt.get("peak_bytes") or {} for attempt in run.get("attempts", [])]
    stages = {stage: max(each.get(stage, 0) for each in held) for each in held for stage in each}
    facts = {
        "kind": "videos",
        "failures": run.get("failures", {}),
        "pending": run.get("counts", {}).get("pending", 0),
        "seconds": "decode (CPU), encode and generate (wall, a share of the batch) as the run measured them",
    }
    return Found(_cases_of(place, refs), facts, lambda ids: _thumbnails_in(place, ids), stages, exit_code)


def _reencoding(bundle: Bundle, data: EmbeddedSet) -> dict[str, Any]:
    """What is to be told where stored frames were encoded anew."""
    if not is_reencoded(bundle, data):
        return {}
    return {
        "reencoded": {"from": data.fingerprint, "to": bundle.manifest.fingerprint},
        "seconds": "decode (CPU) as clipsum embed measured it, encode and generate (wall) in this process, encode from "
        "the stored pixels, since the bundle's encoder is not the one of the embeddings",
    }


def stored_costs(place: str) -> dict[str, dict[str, float]]:
    """Seconds that decoding and encoding took each video when it was embedded."""
    costs = {}
    for uri in parts.uris(place, embedding_rows.FOLDER):
        for row in parts.read(uri, ["video_id", "decode_cpu_s", "encode_s"])[1].to_pylist():
            taken = {"decode": row["decode_cpu_s"], "encode": row["encode_s"]}
            costs[row["video_id"]] = {stage: seconds for stage, seconds in taken.items() if seconds is not None}
    return costs


def _cases_of(place: str, refs: Sequence[VideoRef]) -> list[Case]:
    by_id = {ref.video_id: ref for ref in refs}
    stages = {"decode": "decode_cpu_s", "encode": "encode_s", "generate": "generate_s"}
    scored = ("frame_times_s", "frame_scores")
    columns = ["video_id", "status", "summary", "evidence", "duration_s", *scored, *stages.values()]
    cases = []
    for uri in parts.uris(place):
        for row in parts.read(uri, columns)[1].to_pylist():
            if row["status"] == "ok" and (ref := by_id.get(row["video_id"])):
                seconds = {stage: row[column] for stage, column in stages.items() if row[column] is not None}
                told = (row["summary"] or "", row["evidence"], row["duration_s"])
                times_s, scores = (row[column] or () for column in scored)
                case = Case(ref.video_id, ref.uri, ref.split or "", ref.summary, *told, seconds, times_s, scores)
                cases.append(case)
    return cases


def _thumbnails_of(parted: Sequence[EmbeddedSet], ids: Collection[str]) -> Thumbnails:
    wanted = set(ids)
    return {
        video_id: part[place].thumbnails
        for part in parted
        for place, video_id in enumerate(part.video_ids)
        if video_id in wanted
    }


def _thumbnails_in(place: str, ids: Collection[str]) -> Thumbnails:
    found: Thumbnails = {}
    for uri in parts.uris(place):
        for row in parts.read(uri, ["video_id", "thumbnails"])[1].to_pylist():
            if row["video_id"] in ids:
                found[row["video_id"]] = [Thumbnail(**each) for each in row["thumbnails"] or ()]
    return found
