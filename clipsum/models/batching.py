"""Which videos are written together: of similar length, and so many that a batch's padded size stays bounded.

A batch costs what its longest text costs in every row, and goes on until its last summary is written. The length of a
text is the best guess there is of the length of its summary (their correlation is 0.99 on the kitchen corpus).
Batch job, evaluation and serving all come here, by `Summarizer.summarize`.
"""

from collections.abc import Sequence

from clipsum.models.batch import Item

MAX_ITEMS = 64
MAX_POSITIONS = {"cpu": 4_096, "cuda": 16_384}
"""Positions that a batch's decoder may attend to, padding and all. Their keys and values, once for every beam, are what
generation holds: 4,096 take 0.75 GB in a BART-base with 5 beams in float32."""


def similar_batches(items: Sequence[Item], max_positions: int, max_items: int = MAX_ITEMS) -> list[list[int]]:
    """Places of `items` in batches, the longest first, each place once.

    No batch has more than `max_items`, nor, padded, more than `max_positions` of text and frames, but for a single item
    that has more on its own.
    """
    order = sorted(range(len(items)), key=lambda place: _lengths(items[place]), reverse=True)
    batches: list[list[int]] = []
    text = frames = 0
    for place in order:
        own_text, own_frames = _lengths(items[place])
        text, frames = max(text, own_text), max(frames, own_frames)
        if batches and len(batches[-1]) < max_items and (len(batches[-1]) + 1) * (text + frames) <= max_positions:
            batches[-1].append(place)
        else:
            batches.append([place])
            text, frames = own_text, own_frames
    return batches


def _lengths(item: Item) -> tuple[int, int]:
    """Tokens of the text or texts that guide, whichever are more; frames."""
    texts = max(len(item.input_ids), 0 if item.guide is None else len(item.guide.vectors))
    return texts, 0 if item.vectors is None else len(item.vectors)
