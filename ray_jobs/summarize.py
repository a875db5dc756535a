"""`clipsum summarize SOURCE… --output DIR`: one row for every video of an archive, and a report of them all."""

from typing import Annotated

import typer
from rich.console import Console

from clipsum import storage
from clipsum.config import load
from clipsum.errors import UsageError
from ray_jobs.config import SummarizeConfig

Text = str | None


def summarize(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Video file, folder, glob, s3:// prefix, or manifest (.jsonl .csv .parquet)."
        ),
    ],
    output: Annotated[
        Text, typer.Option(metavar="DIR", help="Where the rows and the report go: local or s3://.")
    ] = None,
    bundle: Annotated[str, typer.Option(help="Folder, s3:// or the name of a bundled one.")] = "kitchen-tiny",
    query: Annotated[list[str] | None, typer.Option(help="A question to find the moments of; may be repeated.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do videos again that failed before.")] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only try a sample, and say how long all would take.")
    ] = False,
    limit: Annotated[int | None, typer.Option(metavar="N", help="Take the first videos only.")] = None,
    max_failed_fraction: Annotated[
        float, typer.Option(metavar="PART", help="Stop when more than this part of all videos failed.")
    ] = 1.0,
    config: Annotated[Text, typer.Option(metavar="FILE", help="Settings as TOML.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting; may be repeated.")
    ] = None,
    address: Annotated[Text, typer.Option(help="Ray cluster; else RAY_ADDRESS, else this machine.")] = None,
) -> int:
    """Summarise every video of an archive."""
    from ray_jobs.archive_run import Call, summarize_archive
    from ray_jobs.estimate import estimate_archive

    if query:
        raise UsageError(f"--query '{query[0]}': moments for a question are not built yet: leave --query out")
    if output is None and not estimate:
        raise UsageError("--output is missing: name a folder or s3://bucket/prefix for rows and report")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: give 1 or more, or leave it out for all videos")
    if not 0 <= max_failed_fraction <= 1:
        raise UsageError(f"--max-failed-fraction {max_failed_fraction:g}: give a number from 0 to 1")
    call = Call(
        sources=tuple(sources),
        output=storage.canonical(output or ""),
        bundle=bundle,
        config=load(SummarizeConfig, config, settings or []),
        limit=limit,
        address=address,
        retry_failed=retry_failed,
        max_failed_fraction=max_failed_fraction,
    )
    return estimate_archive(call, Console()) if estimate else summarize_archive(call, Console())


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("summarize")
