"""Which questions may be asked of which bundle."""

import pytest

from clipsum.config import DEFAULT_BUNDLE
from clipsum.errors import UsageError
from clipsum.highlights.asking import MAX_QUERIES, checked_queries
from clipsum.models.bundle import read_manifest
from clipsum.models.config import ScorerConfig

PLAIN, _ = read_manifest(DEFAULT_BUNDLE)
PLAIN = PLAIN.model_copy(update={"model": PLAIN.model.model_copy(update={"scorer": None})})
SCORING = PLAIN.model_copy(update={"model": PLAIN.model.model_copy(update={"scorer": ScorerConfig()})})


def test_a_question_that_is_asked_twice_is_one_question():
    asked = checked_queries(["cut the  onion ", "stir", "cut the onion"], SCORING, "b")
    assert asked == ("cut the onion", "stir")


def test_a_bundle_that_cannot_answer_is_named_in_one_line_with_the_remedy():
    with pytest.raises(UsageError, match=r"--query 'stir': bundle 'mine' has no scorer.*name a --bundle"):
        checked_queries(["stir"], PLAIN, "mine")
    timm = SCORING.model_copy(update={"encoder": SCORING.encoder.model_copy(update={"kind": "timm"})})
    with pytest.raises(UsageError, match="has no text in the space of its frames"):
        checked_queries(["stir"], timm, "mine")
    assert checked_queries([], PLAIN, "mine") == ()


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ([" "], "asks nothing"),
        (["x" * 1001], "1,001 characters: 1,000 are the most"),
        ([f"what is {n}" for n in range(MAX_QUERIES + 1)], "65 times: 64 are the most"),
    ],
)
def test_a_question_of_nothing_and_endless_ones_are_refused(queries, said):
    with pytest.raises(UsageError, match=said):
        checked_queries(queries, SCORING, "b")
