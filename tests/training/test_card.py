"""The model card of a bundle that was trained on a user's own videos."""

from clipsum.models.config import ScorerConfig
from clipsum.training.card import card
from clipsum.training.config import ModelChanges
from clipsum.training.objective import Objective
from tests.training.runs import PLAIN, changed

SCORING = changed(PLAIN, model=ModelChanges(scorer=ScorerConfig()), objective=Objective(lambda_video=2.0))


def test_the_card_says_how_the_scorer_learned_and_what_it_reached():
    metrics = {"rouge1": 31.5, "tau": 42.0, "match": 88.0, "match_threshold": 0.61}
    made = card(SCORING, "b", "none", "videos", 100, metrics)
    assert "| scorer of frames | from what people marked, beside the summaries (weights 2 and 1) |" in made
    assert "Kendall's tau-b with the mean of those who marked a video, mean of videos: 42.00" in made
    assert "counts as answered: 0.61" in made
    assert "- ROUGE-1: 31.50" in made


def test_a_card_of_summaries_alone_claims_no_scorer():
    assert "| scorer of frames | not trained here: the base's, if it has one |" in card(
        PLAIN, "b", "none", "videos", 1, {}
    )
