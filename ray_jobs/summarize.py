"""`clipsum summarize SOURCE… --output DIR`: one row for every video of an archive, and a report of them all."""

from typing import Annotated

import typer
from rich.console import Console

from clipsum import storage
from clipsum.config import DEFAULT_BUNDLE, load
from clipsum.errors import UsageError
from ray_jobs.config import SummarizeConfig
from ray_jobs.options import Address, BundleName, ConfigFile, Limit, MaxFailedFraction, RetryFailed, SetValues, Sources


def summarize(
    sources: Sources,
    output: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where the rows and the report go: local or s3://.")
    ] = None,
    bundle: BundleName = DEFAULT_BUNDLE,
    query: Annotated[list[str] | None, typer.Option(help="A question to find the moments of; may be repeated.")] = None,
    reel: Annotated[
        str | None,
        typer.Option(metavar="DIR2", help="Also cut each video's highlights, and each answer, into mp4s here."),
    ] = None,
    retry_failed: RetryFailed = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only try a sample, and say how long all would take.")
    ] = False,
    limit: Limit = None,
    max_failed_fraction: MaxFailedFraction = 1.0,
    config: ConfigFile = None,
    settings: SetValues = None,
    address: Address = None,
) -> int:
    """Summarise every video of an archive."""
    from ray_jobs.archive_run import run_archive
    from ray_jobs.call import Call
    from ray_jobs.estimate import estimate_archive
    from ray_jobs.jobs import SUMMARIZE

    if output is None and not estimate:
        raise UsageError("--output is missing: name a folder or s3://bucket/prefix for rows and report")
    if reel is not None and estimate:
        raise UsageError("--reel and --estimate are given: an estimate writes nothing, so leave one out")
    loaded = load(SummarizeConfig, config, settings or [])
    call = Call(
        job=SUMMARIZE,
        sources=tuple(sources),
        output=storage.canonical(output) if output else "",
        bundle=bundle,
        config=loaded,
        limit=limit,
        address=address,
        retry_failed=retry_failed,
        max_failed_fraction=max_failed_fraction,
        queries=tuple(query or ()),
    )
    if estimate:
        return estimate_archive(call, loaded, Console())
    if reel is not None:
        storage.check_writable(reel)
    code = run_archive(call, Console())
    if code > 1:
        return code
    from ray_jobs import answers, run_record
    from ray_jobs.reels import reels_of

    run = run_record.read(call.output) or {}
    for line in answers.lines_of(call.output, run):
        print(line)
    return code if reel is None else max(code, reels_of(call.output, run.get("settings"), reel))


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("summarize")
