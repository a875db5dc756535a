"""The words of the toy kitchen. A value's place in its tuple is its number in `triple_class`."""

from typing import Literal, get_args

Slot = Literal["action", "ingredient", "tool"]
SLOTS: tuple[Slot, ...] = get_args(Slot)

ACTIONS = ("chop", "stir", "peel", "mash", "roll", "wash", "scoop", "press")
INGREDIENTS = (
    *("onion", "carrot", "mushroom", "banana", "apple", "cherry", "fish", "egg"),
    *("cheese", "bread", "lemon", "corn", "grape", "broccoli", "shrimp", "noodle"),
    *("butter", "anise", "pineapple", "chicken", "leek", "rice", "melon", "milk"),
)
TOOLS = ("knife", "spoon", "fork", "whisk", "pan", "pot", "cleaver", "grater", "roller", "funnel")
AMOUNTS = (
    *("half a cup", "one cup", "two cups", "three cups", "one spoonful"),
    *("two spoonfuls", "three spoonfuls", "a pinch", "a handful", "a bunch"),
)
VALUES: dict[Slot, tuple[str, ...]] = {"action": ACTIONS, "ingredient": INGREDIENTS, "tool": TOOLS}

GERUNDS = {
    **{"chop": "chopping", "stir": "stirring", "peel": "peeling", "mash": "mashing"},
    **{"roll": "rolling", "wash": "washing", "scoop": "scooping", "press": "pressing"},
}


def triple_class(action: str, ingredient: str, tool: str) -> int:
    """Which of ten classes a triple belongs to; the classes are what the splits are made of."""
    return (ACTIONS.index(action) + INGREDIENTS.index(ingredient) + TOOLS.index(tool)) % len(TOOLS)
