"""Whether the frames that a bundle scores highest show what its summary says: VT-CLIPScore of each video.

T frames, V width of the encoder's vectors.
"""

from collections.abc import Sequence

import numpy as np

from clipsum.datasets.embedded import Embedded
from clipsum.highlights.select import BUDGET, top_fraction
from clipsum.metrics.vt_clipscore import random_floor, vt_clipscore
from clipsum.models.guidance import TextEncoder
from clipsum.records import Moments, Summary

DRAWS = 20
TEXTS_A_CALL = 64
PROTOCOL = (
    f"100 x cosine of the mean vector of the {BUDGET:.0%} of the frames with the top scores and the vector of the "
    "summary, which is cut where the encoder's context ends; by the bundle's own CLIP, so not comparable with "
    f"VideoXum's, which was fine-tuned on it; random: as many frames, {DRAWS} draws"
)


def agreements(
    videos: Sequence[Embedded],
    summaries: Sequence[Summary],
    moments: Sequence[Moments | None],
    encoder: TextEncoder | None,
) -> list[tuple[float, float] | None]:
    """VT-CLIPScore of each video, and that of random frames; None where it has no scores of frames or no summary."""
    found: list[tuple[float, float] | None] = [None] * len(videos)
    if encoder is None:
        return found
    places = [at for at, each in enumerate(moments) if each and each.frame_scores and summaries[at].text.strip()]
    for start in range(0, len(places), TEXTS_A_CALL):
        chunk = places[start : start + TEXTS_A_CALL]
        for place, text in zip(chunk, encoder.encode_text([summaries[at].text for at in chunk]), strict=True):
            frames, scored = videos[place].embeddings.vectors, moments[place]
            assert scored is not None
            selected = top_fraction(np.asarray(scored.frame_scores))
            floor = random_floor(frames, int(selected.sum()), text, DRAWS, seed=place)
            found[place] = vt_clipscore(frames, selected, text), floor
    return found
