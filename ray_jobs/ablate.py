"""`clipsum ablate GRID.toml --output ABL`: train and score every configuration of a grid, into one table."""

from typing import Annotated

import typer
from rich.console import Console

from clipsum import storage
from ray_jobs.options import Address, SetValues


def ablate(
    grid: Annotated[str, typer.Argument(metavar="GRID", help="The grid as TOML, or the name of one: kitchen.")],
    output: Annotated[str, typer.Option(metavar="ABL", help="Where cells and tables go: local or s3://.")],
    max_failed_fraction: Annotated[
        float,
        typer.Option("--max-failed-fraction", metavar="PART", help="Exit code 1 when more of the cells failed."),
    ] = 1.0,
    settings: SetValues = None,
    address: Address = None,
) -> int:
    """Compare configurations: a grid of trainings from several seeds, into one table."""
    from clipsum.ablation.grid import read_grid
    from ray_jobs.ablate_run import AblateCall
    from ray_jobs.ablate_run import ablate as ablate_grid

    call = AblateCall(read_grid(grid, settings or []), storage.canonical(output), address, max_failed_fraction)
    return ablate_grid(call, Console())


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("ablate")
