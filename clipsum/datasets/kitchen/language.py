"""The sentences of the toy kitchen: wording follows from content alone, never from chance.

Narration, summary and caption each have a grammar of their own. Where a slot is not said, one fixed word stands
there, and no word tells of order: that is in the order of sentences, or in the frames only.
"""

import itertools
from collections.abc import Iterable

import numpy as np

from clipsum.datasets.kitchen.recipe import SPLITS, Step, Video
from clipsum.datasets.kitchen.vocabulary import GERUNDS, SLOTS, VALUES, Slot
from clipsum.records import Segment


def narrate_step(step: Step, say_all: bool = False) -> str:
    """The sentence said about one step; with `say_all` as if nothing were hidden.

    >>> narrate_step(step)
    'take two cups of this, use the knife and do so.'
    """
    unspoken: tuple[Slot, ...] = () if say_all else step.unspoken
    ingredient = "this" if "ingredient" in unspoken else step.ingredient
    tool = "it" if "tool" in unspoken else f"the {step.tool}"
    action = "do so" if "action" in unspoken else step.action
    return f"take {step.amount} of {ingredient}, use {tool} and {action}."


def narration(video: Video) -> tuple[str, ...]:
    """The sentences as they are said, in the order in which they are said."""
    return tuple(narrate_step(video.steps[number]) for number in video.spoken_order)


def oracle_narration(video: Video) -> tuple[str, ...]:
    """The narration with nothing hidden, its sentences in the order of the narration."""
    return tuple(narrate_step(video.steps[number], say_all=True) for number in video.spoken_order)


def cues(video: Video) -> tuple[Segment, ...]:
    """The narration with its times. Shuffled sentences share the video evenly, so that times do not tell the order."""
    sentences = narration(video)
    if video.shuffled:
        edges = [round(video.duration_s * k / len(sentences), 3) for k in range(len(sentences) + 1)]
        times = list(itertools.pairwise(edges))
    else:
        times = [(step.start_s, step.end_s) for step in video.steps]
    return tuple(Segment(text, start, end - 0.1) for text, (start, end) in zip(sentences, times, strict=True))


def summarize_step(step: Step) -> str:
    """One sentence of the reference: every slot and the amount."""
    return f"{step.action} {step.amount} of {step.ingredient} with the {step.tool}."


def summary(steps: Iterable[Step]) -> str:
    """The reference summary: all steps in their true order."""
    return " ".join(summarize_step(step) for step in steps)


def caption(step: Step, slots: Iterable[Slot] = SLOTS) -> str:
    """What CLIP is taught that a frame of the step shows: the named slots only (all by default).

    >>> caption(step)
    'a picture: onion / knife / chopping'
    """
    wanted = set(slots)
    words = {"ingredient": step.ingredient, "tool": step.tool, "action": GERUNDS[step.action]}
    return "a picture: " + " / ".join(word for slot, word in words.items() if slot in wanted)


def queries(video: Video) -> list[dict[str, object]]:
    """Two queries with a match and one without, each with its true segments [[start_s, end_s], ...].

    Words are those of the captions. Drawn from a stream of its own, so that the recipe does not depend on it.
    """
    rng = np.random.default_rng([video.seed, SPLITS.index(video.split), video.index, 1])
    step, other = (video.steps[int(number)] for number in rng.integers(len(video.steps), size=2))
    single: Slot = SLOTS[int(rng.integers(len(SLOTS)))]
    left_out = SLOTS[int(rng.integers(len(SLOTS)))]
    absent = [value for value in VALUES[single] if all(step.value(single) != value for step in video.steps)]
    asked: list[dict[Slot, str]] = [
        {single: step.value(single)},
        {slot: other.value(slot) for slot in SLOTS if slot != left_out},
        {single: absent[int(rng.integers(len(absent)))]},
    ]
    return [{"query": _ask(words), "segments": _segments(video, words)} for words in asked]


def _ask(words: dict[Slot, str]) -> str:
    return " ".join(GERUNDS.get(words[slot], words[slot]) for slot in SLOTS if slot in words)


def _segments(video: Video, words: dict[Slot, str]) -> list[list[float]]:
    """Where all the words hold at once; steps that touch are one segment."""
    found: list[list[float]] = []
    for step in video.steps:
        if any(step.value(slot) != word for slot, word in words.items()):
            continue
        if found and found[-1][1] == step.start_s:
            found[-1][1] = step.end_s
        else:
            found.append([step.start_s, step.end_s])
    return found
