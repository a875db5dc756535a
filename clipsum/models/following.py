"""Following summaries while they are written, and ending that early where nobody waits for them.

B batch, K candidates of each video, L tokens so far.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import StoppingCriteria

EVERY = 4
"""Steps between two looks. A step adds a token."""


class Listener(NamedTuple):
    """`hear` gets the place of a video in the batch and its text so far, the whole of it: beams change their mind.

    `is_over` says by the same place that nobody waits for a summary. Those that are written together are cut short
    once this holds for all of them, and are not begun where it does.
    """

    hear: Callable[[int, str], None]
    is_over: Callable[[int], bool]

    def is_over_for(self, places: Iterable[int]) -> bool:
        """Whether nobody waits for any of them."""
        return all(map(self.is_over, places))


class Following(StoppingCriteria):  # type: ignore[misc]
    """Given to `generate`, tells `listener` what the best candidate of each video of `places` says."""

    def __init__(self, listener: Listener, places: Sequence[int], tokenizer: Any) -> None:
        self._listener, self._places, self._tokenizer = listener, places, tokenizer
        self._steps = 0

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        """Of all candidates (B * K, L), the best of each video first: whether each is to end here, (B * K,)."""
        self._steps += 1
        if self._steps % EVERY == 0:
            best = input_ids.view(len(self._places), -1, input_ids.shape[1])[:, 0]
            texts = self._tokenizer.batch_decode(best, skip_special_tokens=True)
            for place, text in zip(self._places, texts, strict=True):
                self._listener.hear(place, text.strip())
        is_over = self._listener.is_over_for(self._places)
        return torch.full((len(input_ids),), is_over, dtype=torch.bool, device=input_ids.device)
