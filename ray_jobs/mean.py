"""`clipsum mean EVAL EVAL …`: the mean over evaluations, as benchmarks report it over their official splits."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def mean(
    evaluations: Annotated[list[str], typer.Argument(metavar="EVAL…", help="Output folders of clipsum evaluate.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with what each evaluation had.")] = False,
) -> int:
    """Average evaluations, such as those of a benchmark's five splits: mean ± standard deviation."""
    from clipsum.evaluation.mean import mean_of, read_evaluations
    from clipsum.evaluation.tables import figure_labels, protocol_lines, split_title

    records = read_evaluations(evaluations)
    found = mean_of(list(records.values()))
    first = next(iter(records.values()))
    if as_json:
        splits = {split: {name: asdict(each) for name, each in own.items()} for split, own in found.items()}
        print(json.dumps({"evaluations": evaluations, "protocol": first["protocol"], "splits": splits}, indent=2))
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for split in found:
        table.add_column(f"{split_title(split)}\nmean of {len(records)}", justify="right", no_wrap=True)
    for name, label in figure_labels().items():
        means = [own.get(name) for own in found.values()]
        if any(means):
            table.add_row(label, *("–" if each is None else f"{each.mean:.2f} ± {each.sd:.2f}" for each in means))
    console = Console()
    console.print(table)
    told = {family: text for family, text in first["protocol"].items() if family != "intervals"}
    for line in ("±: standard deviation over the evaluations", *protocol_lines({**first, "protocol": told})):
        console.print(line, style="dim", highlight=False, markup=False)
    return 0


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("mean")
