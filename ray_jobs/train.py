"""`clipsum train --data EMB --output RUN`: fine-tune a summarizer on workers of a cluster; RUN is then a bundle."""

from typing import Annotated

import typer
from rich.console import Console

from clipsum import storage
from clipsum.config import DEFAULT_BUNDLE
from clipsum.errors import UsageError
from ray_jobs.options import Address, ConfigFile, SetValues

Text = str | None


def train(
    data: Annotated[
        Text, typer.Option(metavar="EMB", help="What clipsum embed wrote, or a manifest of videos to stream.")
    ] = None,
    output: Annotated[
        Text, typer.Option(metavar="RUN", help="Where the run goes, which is then a bundle: local or s3://.")
    ] = None,
    bundle: Annotated[
        str, typer.Option(metavar="BASE", help="Bundle to start from: folder, s3:// or the name of a bundled one.")
    ] = DEFAULT_BUNDLE,
    recipe: Annotated[str, typer.Option(metavar="NAME", help="Named settings: clipsum, clipsum-paper, …")] = "clipsum",
    workers: Annotated[
        str, typer.Option(metavar="N|MIN:MAX", help="How many train together; 0 trains in this process.")
    ] = "1",
    config: ConfigFile = None,
    settings: SetValues = None,
    address: Address = None,
) -> int:
    """Train a summarizer on videos with reference summaries, a scorer on videos that people marked, or both."""
    if data is None:
        raise UsageError("--data is missing: name the --output folder of clipsum embed, or a manifest of videos")
    if output is None:
        raise UsageError("--output is missing: name a folder or s3://bucket/prefix for the run")
    from ray_jobs.train_config import configure, parse_workers
    from ray_jobs.train_run import TrainCall
    from ray_jobs.train_run import train as train_run

    call = TrainCall(
        data=storage.canonical(data),
        output=storage.canonical(output),
        bundle=bundle,
        recipe=recipe,
        job=configure(recipe, config, settings or []),
        workers=parse_workers(workers),
        address=address,
    )
    return train_run(call, Console())


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("train")
