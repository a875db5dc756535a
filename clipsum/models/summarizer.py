"""ClipSum: frames and words in, a summary out. Stock BART, with the fusion between two of its encoder layers.

B batch, S text tokens, T frames, V visual width, E width of frame states, D width of BART, L tokens of the summary,
M texts that guide the scoring of frames.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BartForConditionalGeneration,
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
    StoppingCriteria,
)
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from clipsum.models.config import Generation, ModelConfig
from clipsum.models.cross import frame_windows, in_window
from clipsum.models.fusion import FUSIONS
from clipsum.models.scorer import Scorer
from clipsum.models.temporal import TemporalEncoder


@dataclass
class ClipSumOutput(Seq2SeqLMOutput):  # type: ignore[misc]
    """BART's output, and of the scorer the logits of frames (B, T) and the frames as it rebuilds them (B, T, V)."""

    frame_logits: Tensor | None = None
    rebuilt: Tensor | None = None


class ClipSum(nn.Module):
    """The model. `forward` trains it, `generate` writes; both take the tensors of `clipsum.models.batch.collate`.

    One temporal encoder, two heads: BART with the fusion writes the summary, the `scorer`, if there is one, scores
    frames. For both, and for several queries, the encoder need look at the frames once: `look`.
    Padding of tokens or frames changes no output. BART's LayerDrop is not applied in the encoder.
    """

    def __init__(self, config: ModelConfig, bart: BartForConditionalGeneration) -> None:
        super().__init__()
        width, longest = bart.config.d_model, bart.config.max_position_embeddings
        if config.max_text_tokens > longest:
            raise ValueError(f"max_text_tokens={config.max_text_tokens} is more than this BART reads: {longest}")
        if config.generation.max_tokens > longest:
            raise ValueError(f"generation.max_tokens={config.generation.max_tokens} is more than BART's {longest}")
        self.config = config
        self.bart = bart
        self.fuse_after = config.fusion_layer(bart.config.encoder_layers)
        self.temporal = TemporalEncoder(config) if config.temporal_layers else None
        self.project = nn.Linear(config.visual_width if self.temporal is None else config.state_width, width)
        self.fusion = FUSIONS[config.fusion](width, config.dropout)
        self.scorer = Scorer(config, config.scorer) if config.scorer else None

    def forward(
        self,
        input_ids: Tensor,
        text_mask: Tensor,
        frames: Tensor | None = None,
        positions: Tensor | None = None,
        frame_mask: Tensor | None = None,
        *,
        text_times: Tensor | None = None,
        labels: Tensor | None = None,
        **guide: Tensor,
    ) -> "ClipSumOutput":
        """The mean cross-entropy `loss` of `labels` (B, L), padded by -100, and the `logits` (B, L, vocabulary).

        `input_ids`, `text_mask` (B, S); `frames` (B, T, V); `positions` (B, T): t / duration in [0, 1];
        `frame_mask` (B, T); masks are true on what is real. `frames=None`: no item has any. `text_times` (B, S, 2), for
        local cross-attention: when the sentence of each token is said; None: none has a time.
        Labels are `<s> … </s>`; BART shifts them right from its decoder start token. Without labels no text is written.
        Where there is a scorer, `frame_logits` (B, T) and `rebuilt` (B, T, V) too; `guide`: as in `Scorer.forward`.
        """
        frames, positions, frame_mask = self._shown(input_ids, frames, positions, frame_mask)
        seen = self.look(frames, positions, frame_mask)
        found: dict[str, Tensor] = {}
        if labels is not None:
            near = self._near(text_times, positions, frame_mask)
            states, mask = self._bart_encoder(input_ids, text_mask, self.project(seen), frame_mask, near)
            told = BaseModelOutput(states)
            found |= self.bart(encoder_outputs=told, attention_mask=mask, labels=labels, use_cache=False)
        if self.scorer is not None:
            logits, rebuilt = self.scorer(seen, positions, frame_mask, frames, **guide)
            found |= {"frame_logits": logits, "rebuilt": rebuilt}
        return ClipSumOutput(**found)

    def record(self, config: ModelConfig) -> None:
        """Take a configuration that says more of what was learned, and of the model the same."""
        self.config = config
        if self.scorer is not None and config.scorer is not None:
            self.scorer.settings = config.scorer

    def look(self, frames: Tensor, positions: Tensor, frame_mask: Tensor) -> Tensor:
        """Frame states (B, T, E), which both heads go on from; without a temporal encoder the frames themselves."""
        states: Tensor = frames if self.temporal is None else self.temporal(frames, positions, frame_mask)
        return states

    @torch.inference_mode()
    def generate(
        self,
        input_ids: Tensor,
        text_mask: Tensor,
        frames: Tensor | None = None,
        positions: Tensor | None = None,
        frame_mask: Tensor | None = None,
        generation: Generation | None = None,
        text_times: Tensor | None = None,
        following: StoppingCriteria | None = None,
    ) -> Tensor:
        """Token ids of the summaries (B, L), padded, the decoder start token first. Arguments as in `forward`.

        `following` sees the candidates of every step, and may end them.
        """
        states, mask = self.encode(input_ids, text_mask, frames, positions, frame_mask, text_times)
        settings = self.generation_settings(generation or self.config.generation)
        cache = _BeamCache(*(DynamicCache(config=self.bart.config) for _ in range(2))) if settings.use_cache else None
        ids: Tensor = self.bart.generate(
            encoder_outputs=BaseModelOutput(states),
            attention_mask=mask,
            generation_config=settings,
            past_key_values=cache,
            stopping_criteria=[following] if following else None,
        )
        return ids

    def encode(
        self,
        input_ids: Tensor,
        text_mask: Tensor,
        frames: Tensor | None = None,
        positions: Tensor | None = None,
        frame_mask: Tensor | None = None,
        text_times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What the decoder attends to: states (B, S, D) and their mask (B, S); with context "append" (B, S + T, …)."""
        frames, positions, frame_mask = self._shown(input_ids, frames, positions, frame_mask)
        seen = self.look(frames, positions, frame_mask)
        near = self._near(text_times, positions, frame_mask)
        return self._bart_encoder(input_ids, text_mask, self.project(seen), frame_mask, near)

    def _near(self, text_times: Tensor | None, positions: Tensor, frame_mask: Tensor) -> Tensor | None:
        """Which frames each token may look at (B, S, T), by their times; None: all of them."""
        if text_times is None or self.config.cross_attention == "global":
            return None
        return in_window(text_times, *frame_windows(positions, frame_mask, self.config.attention_radius))

    def _shown(
        self, input_ids: Tensor, frames: Tensor | None, positions: Tensor | None, frame_mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Frames, positions and mask as they are; where no item has frames, one for each that is not real."""
        if frames is None or positions is None or frame_mask is None:
            frames = input_ids.new_zeros(len(input_ids), 1, self.config.visual_width, dtype=self.project.weight.dtype)
            frame_mask = torch.zeros(frames.shape[:2], dtype=torch.bool, device=frames.device)
            positions = frame_mask.double()
        return frames, positions, frame_mask

    def _bart_encoder(
        self, input_ids: Tensor, text_mask: Tensor, seen: Tensor, frame_mask: Tensor, near: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """BART's own encoder layers, in its own order; `seen` (B, T, D) joins after layer `fuse_after`."""
        encoder = self.bart.model.encoder
        words = encoder.embed_tokens(input_ids)
        states = encoder.layernorm_embedding(words + encoder.embed_positions(input_ids))
        states = nn.functional.dropout(states, encoder.dropout, self.training)
        mask = text_mask
        bias = create_bidirectional_mask(encoder.config, states, mask)
        for number, layer in enumerate(encoder.layers, start=1):
            states = layer(states, bias)
            if number == self.fuse_after:
                states = self.fusion(states, seen, text_mask, frame_mask, near)
            if number == len(encoder.layers) - 1 and self.config.context == "append" and bool(frame_mask.any()):
                states, mask = torch.cat([states, seen], dim=1), torch.cat([text_mask, frame_mask], dim=1)
                bias = _long_mask(encoder.config, states, mask)
        return states, mask

    def generation_settings(self, overrides: Generation) -> GenerationConfig:
        """The checkpoint's own generation settings, with the overrides that are not None."""
        settings = deepcopy(self.bart.generation_config)
        chosen = overrides.model_dump(exclude={"max_tokens"}, exclude_none=True)
        # The library counts the decoder start token, which is no part of the summary.
        settings.update(max_length=overrides.max_tokens + 1, max_new_tokens=None, **chosen)
        return settings


def _long_mask(config: Any, states: Tensor, mask: Tensor) -> Tensor | None:
    """The attention mask of states (B, S, D) by `mask` (B, S): (B, 1, 1, S), where the library makes (B, 1, S, S).

    Of an hour at 1 fps that would be 100 MB a video; without it the kernel (`sdpa`) holds O(S), in O(S²) time.
    """
    if config._attn_implementation != "sdpa":
        made: Tensor | None = create_bidirectional_mask(config, states, mask)
        return made
    return None if bool(mask.all()) else mask[:, None, None]


class _BeamCache(EncoderDecoderCache):  # type: ignore[misc]
    """Keys and values of the decoder, where what all beams of a video share is not copied at every step.

    A beam only ever goes on from a beam of its own video, so what the encoder said is the same wherever it goes on.
    """

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Follow the beams in the decoder's own states."""
        self.self_attention_cache.reorder_cache(beam_idx)
