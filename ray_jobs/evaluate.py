"""`clipsum evaluate --bundle B --data M --output DIR`: how good a bundle is, with intervals, and where it fails."""

from typing import Annotated

import typer
from rich.console import Console

from clipsum import storage
from clipsum.config import DEFAULT_BUNDLE
from ray_jobs.options import Address, BundleName, ConfigFile, SetValues


def evaluate(
    data: Annotated[
        str,
        typer.Option(metavar="DATA", help="What clipsum embed wrote, or a manifest of videos to decode."),
    ],
    output: Annotated[str, typer.Option(metavar="DIR", help="Where figures and report go: local or s3://.")],
    bundle: BundleName = DEFAULT_BUNDLE,
    split: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A split to score; may be repeated; all but train if none.")
    ] = None,
    paper_table: Annotated[
        bool, typer.Option("--paper-table", help="Print the table in the layout of the paper, in Markdown.")
    ] = False,
    java: Annotated[bool, typer.Option("--java", help="Also METEOR 1.5, which needs a java command.")] = False,
    marks: Annotated[
        str | None, typer.Option(metavar="FILE", help="A .jsonl with what people marked, to score moments against.")
    ] = None,
    config: ConfigFile = None,
    set_values: SetValues = None,
    address: Address = None,
) -> int:
    """Score a bundle on videos with reference summaries."""
    from clipsum.config import load
    from ray_jobs.config import SummarizeConfig
    from ray_jobs.evaluate_run import EvaluateCall, evaluate_bundle

    call = EvaluateCall(
        data=storage.canonical(data),
        output=storage.canonical(output),
        bundle=bundle,
        splits=tuple(split or ()),
        paper_table=paper_table,
        java=java,
        config=load(SummarizeConfig, config, set_values or ()),
        address=address,
        marks=None if marks is None else storage.canonical(marks),
    )
    return evaluate_bundle(call, Console())


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("evaluate")
