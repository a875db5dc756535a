"""Which frames matter, in general or for a question: one score a frame, guided by text.

B batch, T frames, M texts that guide, V visual width (of frames and of texts), E width of frame states, W width here,
H heads. Source: CLIP-It (arXiv 2107.00650): frames ask, texts answer, then a transformer over the frames scores them.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from clipsum.models.config import ModelConfig, ScorerConfig
from clipsum.models.cross import attend_in_windows, frame_windows
from clipsum.models.frame_features import Contrast, Similarity, like_clip
from clipsum.models.temporal import encoder_layer


class GuidedAttention(nn.Module):
    """Frames ask, texts answer, on top of what the frames are: LayerNorm(X + dropout(MHA(X, texts, texts))).

    One more text is always there, a learned one that says nothing. A softmax over a single text would be 1 for every
    frame, and all would get the same answer; beside the other it tells how well a text fits the frame. Where no text is
    given, frames get the answer of that one alone. `radius`: of local attention; None: every frame sees every text.
    """

    def __init__(self, width: int, heads: int, dropout: float, radius: int | None) -> None:
        super().__init__()
        self.heads, self.radius = heads, radius
        self.nothing = nn.Parameter(torch.randn(width) * width**-0.5)
        self.ask, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(
        self, states: Tensor, texts: Tensor, text_mask: Tensor, times: Tensor, positions: Tensor, frame_mask: Tensor
    ) -> Tensor:
        """States (B, T, W), texts (B, M, W), their mask (B, M) and times (B, M, 2), t / duration (B, T) -> (B, T, W).

        Masks are true on what is real.
        """
        answer = self.answer(states, texts, text_mask, times, positions, frame_mask)
        guided: Tensor = self.norm(states + self.dropout(answer))
        return guided

    def answer(
        self, states: Tensor, texts: Tensor, text_mask: Tensor, times: Tensor, positions: Tensor, frame_mask: Tensor
    ) -> Tensor:
        """What each frame is told (B, T, W), without what it is. Arguments as of `forward`."""
        known = torch.cat([self.nothing.expand(len(texts), 1, -1), texts], dim=1)
        query = self._by_head(self.ask(states))
        key, value = self._by_head(self.key(known)), self._by_head(self.value(known))
        always = text_mask.new_ones(len(texts), 1)
        if self.radius is None:
            told = scaled_dot_product_attention(query, key, value, torch.cat([always, text_mask], 1)[:, None, None])
        else:
            windows = frame_windows(positions, frame_mask, self.radius)
            told = attend_in_windows(query, key, value, times, text_mask, windows)
        answer: Tensor = self.out(told.transpose(1, 2).flatten(2))
        return answer

    def _by_head(self, states: Tensor) -> Tensor:
        """(B, any, W) -> (B, H, any, W / H)."""
        return states.view(*states.shape[:2], self.heads, states.shape[2] // self.heads).transpose(1, 2)


class Scorer(nn.Module):
    """Frame states and the texts that guide to one logit a frame; the sigmoid of it is the frame's score.

    Padding of frames or texts changes no logit. Texts that are asked for (a query) are told apart from those that the
    video itself has: the one wants what fits, the other what matters. Where it never learned from queries, those are
    answered in use by CLIP's cosine. `settings`: as given, and as training adds to its record.
    """

    def __init__(self, config: ModelConfig, settings: ScorerConfig) -> None:
        super().__init__()
        width = settings.width or config.state_width
        given = config.state_width if config.temporal_layers else config.visual_width
        self.width, self.visual_width = width, config.visual_width
        self.settings = settings
        self.project_frames = nn.Linear(given, width)
        self.project_texts = nn.Linear(config.visual_width, width)
        self.origin = nn.Parameter(torch.randn(2, width) * width**-0.5)
        radius = config.attention_radius if config.cross_attention == "local" else None
        self.guide = GuidedAttention(width, settings.heads, config.dropout, radius)
        self.similarity = Similarity(width) if settings.similarity else None
        self.contrast = Contrast(config.visual_width, width) if settings.contrast else None
        sizes = width, settings.heads, settings.ffn, config.dropout
        how = settings.attention or config.attention, config.attention_radius
        self.layers = nn.ModuleList(encoder_layer(*sizes, *how) for _ in range(settings.layers))
        self.score = nn.Linear(width, 1)
        self.rebuild = nn.Linear(width, config.visual_width)

    def forward(
        self,
        states: Tensor,
        positions: Tensor,
        frame_mask: Tensor,
        frames: Tensor,
        guide: Tensor | None = None,
        guide_mask: Tensor | None = None,
        guide_times: Tensor | None = None,
        asked: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, T), and the frames as rebuilt from what the score rests on (B, T, V), for the losses.

        `states` (B, T, E) of the temporal encoder, `positions` (B, T): t / duration, `frame_mask` (B, T), `frames`
        (B, T, V); `guide` (B, M, V) with `guide_mask` (B, M) and `guide_times` (B, M, 2), rising; `asked` (B,) true
        where it is a query. `guide=None`: no item has a text. What padding gets is arbitrary but finite.
        """
        seen = self.project_frames(states)
        if self.contrast is not None:
            seen = seen + self.contrast(frames, frame_mask)
        fit: Tensor | float = 0.0
        if guide is None or guide_mask is None or guide_times is None or asked is None:
            guide = states.new_zeros(len(states), 0, self.visual_width)
            guide_times = positions.new_zeros(len(states), 0, 2)
            guide_mask, asked = frame_mask[:, :0], frame_mask[:, :0].any(dim=1)
        if self.similarity is not None and (guide.shape[1] or self.training):
            near, fit = self.similarity(frames, guide, guide_mask, asked)
            seen = seen + near
        texts = self.project_texts(guide) + self.origin[asked.long()][:, None]
        seen = self.guide(seen, texts, guide_mask, guide_times, positions, frame_mask)
        # A row without any frame attends to its padding: a softmax over nothing would be NaN.
        ignore = ~frame_mask & frame_mask.any(dim=1, keepdim=True)
        for layer in self.layers:
            seen = layer(seen, src_key_padding_mask=ignore)
        logits = self.score(seen).squeeze(2) + fit
        if guide.shape[1] and not self.training and not self.settings.learned("query"):
            logits = torch.where(asked[:, None], like_clip(frames, guide), logits)
        return logits, self.rebuild(seen)
