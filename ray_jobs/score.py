"""`clipsum score`: every figure of two line-by-line text files, or of HDF5 files of frame scores."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from clipsum.errors import UsageError
from ray_jobs.score_table import print_figures


def score(
    more: Annotated[list[str] | None, typer.Argument(metavar="FILE.h5", help="More files of --frames.")] = None,
    references: Annotated[str | None, typer.Option(metavar="FILE", help="One reference a line.")] = None,
    predictions: Annotated[
        str | None, typer.Option(metavar="FILE", help="One prediction a line, in the same order.")
    ] = None,
    stem: Annotated[
        bool | None, typer.Option("--stem/--no-stem", help="ROUGE with or without stemming; both when left out.")
    ] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Each line opens with an id, by which lines are matched.")] = False,
    java: Annotated[bool, typer.Option("--java", help="Also METEOR 1.5, which needs a java command.")] = False,
    frames: Annotated[
        list[str] | None, typer.Option(metavar="FILE.h5", help="Instead of texts: frame scores and users' choices.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --frames: summe, tvsum, videoxum or qfvs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Score one text file against another, line by line, or frame scores against what people chose."""
    files = [*(frames or []), *(more or [])]
    texts = {"--references": references, "--predictions": predictions, "--stem": stem, "--ids": ids, "--java": java}
    if not files and protocol is None:
        return _score_texts(
            _given(references, "--references"), _given(predictions, "--predictions"), stem, ids, java, as_json
        )
    if not frames:
        raise UsageError("--frames is missing: name the HDF5 files of frame scores with it")
    if alien := next((name for name, value in texts.items() if value not in (None, False)), None):
        raise UsageError(f"--frames and {alien} are given: score texts and frames in calls of their own")
    from ray_jobs.score_frames import score_frames

    return score_frames(files, _given(protocol, "--protocol (summe, tvsum, videoxum or qfvs)"), as_json)


def _given(value: str | None, name: str) -> str:
    if value is None:
        raise UsageError(f"{name} is missing: give --references and --predictions, or --frames and --protocol")
    return value


def _score_texts(references: str, predictions: str, stem: bool | None, ids: bool, java: bool, as_json: bool) -> int:
    from clipsum.metrics.pairs import read_pairs
    from clipsum.metrics.score import LABELS, protocol
    from clipsum.metrics.score import score as score_texts

    pairs = read_pairs(references, predictions, ids)
    stems = (True, False) if stem is None else (stem,)
    figures = score_texts(pairs.predictions, pairs.references, stems, java).figures()
    told = protocol(list(figures))
    if as_json:
        shown: dict[str, Any] = {"summaries": len(pairs.ids), "protocol": told}
        print(json.dumps(shown | {"figures": {name: asdict(figure) for name, figure in figures.items()}}, indent=2))
        return 0
    rows = [(LABELS[name], f"{each.value:.2f}", f"{each.low:.2f} to {each.high:.2f}") for name, each in figures.items()]
    print_figures(f"{len(pairs.ids):,} summaries", ("points", "95 % interval"), rows, told)
    return 0


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("score")
