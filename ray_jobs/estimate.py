"""`clipsum summarize … --estimate`: a sample of the archive is done for real, and the rest follows by proportion."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from rich.console import Console

from clipsum.datasets.manifest import list_sources
from clipsum.reports.units import counted, span
from ray_jobs import manifest, run_record
from ray_jobs.archive_run import EXIT_CODES, ArchiveRun
from ray_jobs.call import Call, part_rows, stage_settings
from ray_jobs.config import SummarizeConfig
from ray_jobs.manifest import Listed


def estimate_archive(call: Call, config: SummarizeConfig, console: Console) -> int:
    """Print how long the whole archive would take on this cluster; nothing is written to the output.

    Returns 0, 1 when no video of the sample succeeded. Raises: UsageError as the run itself would.
    """
    settings = stage_settings(call)
    with TemporaryDirectory(prefix="clipsum-") as scratch:
        whole, sample, output = (Path(scratch) / name for name in ("whole", "sample", "output"))
        for folder in (whole, sample):
            folder.mkdir()
        refs = list_sources(call.sources, call.config.allow_https, call.limit)
        listed = manifest.write(refs, whole, manifest.file_rows(part_rows(call, settings)))
        chosen = take_sample(listed, sample, config.estimate_videos)
        trial = replace(call, output=str(output), limit=None, retry_failed=False, max_failed_fraction=1.0)
        code = ArchiveRun(trial, settings, chosen, Console(quiet=True)).go()
        run = run_record.read(str(output)) or {}
    if code != 0:
        interrupted = "The estimate was interrupted. Nothing was written."
        nothing = f"None of {chosen.videos} sampled videos could be summarised: {run.get('failures')}"
        console.print(interrupted if code == EXIT_CODES["interrupted"] else nothing, highlight=False, soft_wrap=True)
        return code
    attempt = run["attempts"][-1]
    start_s = attempt["wall_s"] - attempt["work_s"]
    total_s = start_s + attempt["work_s"] * listed.videos / chosen.videos
    hours = attempt["video_s"] / 3600 * listed.videos / chosen.videos
    on = f"{attempt['cores']:g} cores and {attempt['gpus']:g} GPUs"
    console.print(
        f"About {span(total_s)} for {counted(listed.videos, 'video')} of some {hours:,.1f} hours, on {on}: "
        f"{chosen.videos} of them took {span(attempt['work_s'])} and {span(start_s)} to start. Nothing was written.",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def take_sample(listed: Listed, folder: Path, videos: int) -> Listed:
    """A manifest of `videos` of the listed ones, evenly spread over the listing, that is held as well."""
    count = min(videos, listed.videos)
    wanted = [int((i + 0.5) * listed.videos / count) for i in range(count)] if count else []
    tables = [
        manifest.read(listed, number).filter(pa.array(_mask(listed, number, wanted))) for number in range(listed.files)
    ]
    refs = [ref for table in tables for _, ref in manifest.refs_of(table)]
    return replace(manifest.write(refs, folder, listed.file_rows), held=manifest.table_of(refs, 0))


def _mask(listed: Listed, number: int, wanted: list[int]) -> list[bool]:
    first = number * listed.file_rows
    return [first + i in wanted for i in range(min(listed.file_rows, listed.videos - first))]
