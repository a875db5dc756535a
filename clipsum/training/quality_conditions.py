"""The conditions that the kitchen's quality is measured under: what a model sees, and which of its heads learn."""

from dataclasses import dataclass
from typing import Literal

from clipsum.training.kitchen_data import Sees
from clipsum.training.kitchen_recipe import KitchenRecipe


@dataclass(frozen=True)
class Condition:
    """What a model sees in training and test, whether its frames have an order, and which of its two heads learn.

    `scores`: what its scorer learns by, if it has one; `local`: frames attend to their neighbours only.
    """

    sees: Sees
    temporal: bool = True
    writes: bool = True
    scores: Literal["supervised", "unsupervised"] | None = None
    local: bool = False

    def recipe(self, recipe: KitchenRecipe, seed: int) -> KitchenRecipe:
        """The recipe as this condition changes it."""
        chosen = recipe.with_seed(seed) if self.temporal else recipe.with_seed(seed).without_temporal_encoder()
        return chosen.with_scorer(self.scores, self.writes, self.local) if self.scores else chosen


CONDITIONS: dict[str, Condition] = {
    "both": Condition("both"),
    "text": Condition("text"),
    "oracle": Condition("oracle"),
    "frames": Condition("frames"),
    "no-temporal": Condition("both", temporal=False),
    "scores": Condition("both", writes=False, scores="supervised"),
    "scores-local": Condition("both", writes=False, scores="supervised", local=True),
    "scores-unsupervised": Condition("both", writes=False, scores="unsupervised"),
    "joint": Condition("both", scores="supervised"),
}
HEADLINE, GLOBAL = "scores-local", "scores"
"""The scorer that validation chose of the two (τ-b .411 to .398, three seeds each), and the other."""
# Each table needs these, and no others.
OF_SUMMARIES = tuple(name for name, each in CONDITIONS.items() if not each.scores)
OF_HIGHLIGHTS = ("both", *(name for name, each in CONDITIONS.items() if each.scores))
