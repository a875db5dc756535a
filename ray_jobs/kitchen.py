"""`clipsum kitchen --output DIR --videos N --seed S`: the toy corpus of how-to videos, rendered and encoded."""

from typing import Annotated

import typer
from rich.console import Console

from clipsum import storage
from clipsum.datasets.kitchen.corpus import generate_corpus
from clipsum.errors import UsageError
from ray_jobs.progress import CountLine


def kitchen(
    output: Annotated[str, typer.Option(metavar="DIR", help="A local folder for the parts of the corpus.")],
    videos: Annotated[int, typer.Option(min=1, help="How many videos, over all parts.")] = 3600,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same videos.")] = 0,
    split_ood: Annotated[bool, typer.Option("--split-ood", help="Make an out-of-distribution part too.")] = False,
) -> int:
    """Render the toy corpus of how-to videos, with its narration and its truth."""
    if storage.is_s3(output):
        raise UsageError(f"--output '{output}': the corpus is rendered into a local folder, and copied from there")
    storage.check_writable(output)
    console = Console()
    with CountLine(console, "Rendering", "videos") as line:
        manifests = generate_corpus(output, videos, seed, split_ood, on_done=line.show)
    for split, manifest in manifests.items():
        console.print(f"{split:<11} {manifest}", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("kitchen")
