"""ROUGE by the rouge-score package, one way only: stemmed F1, in points from 0 to 100.

Stemming alone moves ROUGE-1 by about two points, so every figure is printed with `PROTOCOL` beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from rouge_score.rouge_scorer import RougeScorer

PROTOCOL = f"rouge-score {version('rouge-score')}, F1 x 100, Porter stemming on, the whole summary as one sentence"


@dataclass(frozen=True, repr=False)
class Rouge:
    """Scores of N summaries against a reference each; every field is (N,) float64 in points from 0 to 100."""

    rouge1: NDArray[np.float64]
    rouge2: NDArray[np.float64]
    rouge_l: NDArray[np.float64]

    def __repr__(self) -> str:
        means = "/".join(f"{float(field.mean()):.2f}" for field in (self.rouge1, self.rouge2, self.rouge_l))
        return f"Rouge({means}, n={len(self.rouge1)})"


def rouge(summaries: Sequence[str], references: Sequence[str]) -> Rouge:
    """ROUGE-1, -2 and -L of each summary against its own reference.

    Raises: ValueError where the two differ in number, or are none.
    """
    if not summaries or len(summaries) != len(references):
        raise ValueError(
            f"{len(summaries)} summaries for {len(references)} references: give one for each, at least one"
        )
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    scores = [scorer.score(reference, summary) for summary, reference in zip(summaries, references, strict=True)]
    columns = (np.array([100 * score[name].fmeasure for score in scores]) for name in ("rouge1", "rouge2", "rougeL"))
    return Rouge(*columns)
