"""`clipsum demo`: renders a dozen toy how-to videos, summarises them, and says where the report is."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from clipsum import storage
from clipsum.config import DEFAULT_BUNDLE
from clipsum.datasets.kitchen.corpus import write_split
from clipsum.errors import UsageError
from ray_jobs import parts
from ray_jobs.config import SummarizeConfig
from ray_jobs.progress import CountLine

SHOWN = 3


def demo(
    output: Annotated[str, typer.Option(metavar="DIR", help="A local folder for videos, rows and report.")] = "demo",
    videos: Annotated[int, typer.Option(min=1, help="How many videos.")] = 12,
) -> int:
    """Make a sample archive, summarise it, and show the result."""
    from ray_jobs.archive_run import run_archive
    from ray_jobs.call import Call
    from ray_jobs.jobs import SUMMARIZE

    if storage.is_s3(output):
        raise UsageError(f"--output '{output}': the demo needs a local folder")
    storage.check_writable(output)
    console = Console()
    folder = Path(output).resolve()
    with CountLine(console, "Rendering", "videos") as line:
        manifest = write_split(folder / "videos", "test", videos, size_px=256, on_done=line.show)
    # the manifest, for the folder may hold more videos, of an earlier demo
    place = str(folder / "summaries")
    config = SummarizeConfig(drop_unlisted=True)
    call = Call(SUMMARIZE, (str(manifest),), place, DEFAULT_BUNDLE, config, toy_videos=True)
    code = run_archive(call, console)
    shown = [row for row in parts.read_rows(call.output) if row["status"] == "ok"][:SHOWN]
    for row in shown:
        console.print(f"\n{Path(row['uri']).name}", highlight=False, markup=False)
        console.print(Padding(Text(row["summary"]), (0, 0, 0, 2)))
    console.print(f"\nOpen {folder / 'summaries' / 'report.html'} in a browser.", highlight=False, soft_wrap=True)
    return code


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("demo")
