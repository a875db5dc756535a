"""Embeddings and words of several videos in, their summaries out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from clipsum.errors import UsageError
from clipsum.models.batch import Guide, Item, collate
from clipsum.models.batching import MAX_POSITIONS, similar_batches
from clipsum.models.bundle import Bundle
from clipsum.models.config import Generation
from clipsum.models.following import Following, Listener
from clipsum.models.temporal import relative_spans, relative_times
from clipsum.models.text import SourceText, encode_source
from clipsum.records import Embeddings, Evidence, Summary, Transcript

Source = tuple[Embeddings | None, Transcript, float]
Guided = tuple[Embeddings, float, Sequence[Guide | None]]
_NO_TEXT = SourceText((), 0, 0)
_SCORED = ("positions", "frame_mask", "frames", "guide", "guide_mask", "guide_times", "asked")


class Summarizer:
    """A bundle's model at work.

    `sampling` and `seek` (as embeddings carry them) are the bundle's unless others are given on purpose.
    """

    def __init__(
        self, bundle: Bundle, device: str = "cpu", sampling: str | None = None, seek: str | None = None
    ) -> None:
        self.bundle = bundle
        self.device = device
        self.sampling = sampling or str(bundle.manifest.sampling)
        self.seek = seek or bundle.manifest.seek
        self._model = bundle.model.to(device)
        self._room = MAX_POSITIONS["cuda" if device.startswith("cuda") else "cpu"]

    def summarize(
        self, batch: Sequence[Source], generation: Generation | None = None, listener: Listener | None = None
    ) -> list[Summary]:
        """One summary for each (embeddings or None, transcript, duration in s), in order.

        The batch may be of any size, and mix videos with and without text, with and without frames; those of similar
        length are written together. One that has neither gets the empty text and evidence "none".
        `listener` follows them, by their places in the batch.
        Raises: UsageError where embeddings were not made for this bundle.
        """
        for embeddings, _, _ in batch:
            if embeddings is not None:
                self._check(embeddings)
        config = self.bundle.manifest.model
        texts = [
            encode_source(
                self.bundle.tokenizer,
                transcript,
                config.max_text_tokens,
                config.text_over_limit,
                timed=config.cross_attention == "local",
            )
            for _, transcript, _ in batch
        ]
        evidence = [evidence_of(embeddings, text) for (embeddings, _, _), text in zip(batch, texts, strict=True)]
        written = dict.fromkeys(range(len(batch)), "")
        there = [place for place, seen in enumerate(evidence) if seen != "none"]
        items = [self._item(batch[place], texts[place]) for place in there]
        written |= zip(there, self._write(items, generation, listener, there), strict=True)
        return [
            Summary(written[place], seen, text.tokens, text.dropped)
            for place, (text, seen) in enumerate(zip(texts, evidence, strict=True))
        ]

    def score(self, embeddings: Embeddings, duration_s: float, guides: Sequence[Guide | None]) -> NDArray[np.float32]:
        """The score in [0, 1] of each frame under each guide (None: none), (G, T). Raises: as `score_all`."""
        return self.score_all([(embeddings, duration_s, guides)])[0]

    @torch.inference_mode()
    def score_all(self, batch: Sequence[Guided]) -> list[NDArray[np.float32]]:
        """For each (embeddings, duration in s, its G guides): the score in [0, 1] of each frame under each, (G, T).

        The frames of a video are looked at once for all its guides; those of similar length share a call.
        Raises: UsageError where the bundle has no scorer, or embeddings were not made for it.
        """
        if self._model.scorer is None:
            raise UsageError(
                f"bundle {self.bundle.bundle_id} scores no frames: name one that was trained with a scorer"
            )
        for embeddings, _, _ in batch:
            self._check(embeddings)
        scores = [np.zeros((len(guides), len(seen.vectors)), np.float32) for seen, _, guides in batch]
        items = [self._item((seen, Transcript(), duration_s), _NO_TEXT) for seen, duration_s, _ in batch]
        states = self._look(items)
        rows = [(place, row) for place, own in enumerate(scores) if own.size for row in range(len(own))]
        guided = [replace(items[place], guide=batch[place][2][row]) for place, row in rows]
        for chosen in similar_batches(guided, self._room):
            told = collate([guided[each] for each in chosen], self.bundle.tokenizer.pad_token_id, self.device)
            given = {name: told[name] for name in _SCORED if name in told}
            seen = pad_sequence([states[rows[each][0]] for each in chosen], batch_first=True)
            logits, _ = self._model.scorer(seen, **given)
            for each, own in zip(chosen, logits.sigmoid().float().numpy(force=True), strict=True):
                place, row = rows[each]
                scores[place][row] = own[: scores[place].shape[1]]
        return scores

    def _look(self, items: Sequence[Item]) -> list[Tensor]:
        """Frame states (T, E) of each item."""
        states = [torch.zeros(0)] * len(items)
        shown = [place for place, item in enumerate(items) if item.vectors is not None]
        for chosen in similar_batches([items[place] for place in shown], self._room):
            places = [shown[each] for each in chosen]
            batch = collate([items[place] for place in places], self.bundle.tokenizer.pad_token_id, self.device)
            seen = self._model.look(batch["frames"], batch["positions"], batch["frame_mask"])
            for place, own, mask in zip(places, seen, batch["frame_mask"], strict=True):
                states[place] = own[mask]
        return states

    def _check(self, embeddings: Embeddings) -> None:
        pairs = (
            ("fingerprint", embeddings.fingerprint, self.bundle.manifest.fingerprint),
            ("sampling", embeddings.sampling, self.sampling),
            ("seek", embeddings.seek, self.seek),
        )
        for what, theirs, ours in pairs:
            if theirs != ours:
                raise UsageError(
                    f"embeddings have {what} '{theirs}', bundle {self.bundle.bundle_id} takes '{ours}': "
                    "embed the videos again with this bundle, or use the bundle they were made for"
                )

    def _item(self, source: Source, text: SourceText) -> Item:
        embeddings, _, duration_s = source
        if embeddings is None or not len(embeddings.vectors):
            return Item(text.ids)
        relative = relative_times(embeddings.times_s, duration_s)
        times = relative_spans(text.spans, duration_s) if text.spans else None
        return Item(text.ids, np.ascontiguousarray(embeddings.vectors, np.float32), relative, text_times=times)

    def _write(
        self, items: Sequence[Item], generation: Generation | None, listener: Listener | None, names: Sequence[int]
    ) -> list[str]:
        """The texts of items, which `listener` knows by their `names`."""
        tokenizer = self.bundle.tokenizer
        texts = [""] * len(items)
        for places in similar_batches(items, self._room):
            own = [names[place] for place in places]
            if listener and listener.is_over_for(own):
                continue
            batch = collate([items[place] for place in places], tokenizer.pad_token_id, self.device)
            following = listener and Following(listener, own, tokenizer)
            ids = self._model.generate(**batch, generation=generation, following=following)
            for place, text in zip(places, tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True):
                texts[place] = text.strip()
        return texts


def evidence_of(embeddings: Embeddings | None, text: SourceText) -> Evidence:
    """What a summary can rest on."""
    frames = embeddings is not None and len(embeddings.vectors) > 0
    if frames:
        return "both" if text.tokens else "frames"
    return "text" if text.tokens else "none"
