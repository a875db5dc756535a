"""What the scorer sees of the frames as the encoder gave them, before the temporal encoder blends them.

B batch, T frames, M texts that guide, V visual width, W width of the scorer.
Both are ours, beside the published model, and can be left out (`ScorerConfig.similarity`, `contrast`).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

MOST_ASKED = 17  # texts of a query that are compared with frames: the whole of it and its words
_TINY = 1e-4
_LIKE_CLIP = 10.0, -2.0  # at the start a score is about what zero-shot CLIP thinks


class Similarity(nn.Module):
    """How well each frame fits the query, by cosine in the encoder's own space: first text, mean, highest, lowest.

    Of a query only, whose first text is the whole of it; of what the video itself says it is 0. It joins the state of a
    frame and, past all layers, its logit, which at the start is the cosine with the whole query and nothing else.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_state = nn.Linear(4, width, bias=False)
        self.to_logit = nn.Linear(4, 1)
        with torch.no_grad():
            self.to_state.weight.zero_()
            self.to_logit.weight.copy_(torch.tensor([[_LIKE_CLIP[0], 0.0, 0.0, 0.0]]))
            self.to_logit.bias.fill_(_LIKE_CLIP[1])

    def forward(self, frames: Tensor, guide: Tensor, guide_mask: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T, V), texts (B, M, V), their mask (B, M), which are queries (B,): (B, T, W) and logits (B, T).

        O(T): of the texts no more than `MOST_ASKED` are looked at. Where there is none both are 0, and every weight has
        taken part all the same: workers wait for the gradient of each.
        """
        if not guide.shape[1]:
            guide, guide_mask = guide.new_zeros(len(guide), 1, guide.shape[2]), guide_mask.new_zeros(len(guide), 1)
        guide, mask = guide[:, :MOST_ASKED], guide_mask[:, None, :MOST_ASKED]
        cosines = (normalize(frames, dim=-1) @ normalize(guide, dim=-1).transpose(1, 2)).masked_fill(~mask, 0.0)
        found = torch.stack(
            [
                cosines[:, :, 0],
                cosines.sum(dim=2) / mask.sum(dim=2).clamp(min=1),
                cosines.masked_fill(~mask, -1.0).amax(dim=2),
                cosines.masked_fill(~mask, 1.0).amin(dim=2),
            ],
            dim=2,
        )
        known = asked[:, None].to(frames.dtype)
        return self.to_state(found) * known[:, :, None], self.to_logit(found).squeeze(2) * known


def like_clip(frames: Tensor, guide: Tensor) -> Tensor:
    """What zero-shot CLIP thinks of frames (B, T, V) for a query, the first of texts (B, M, V): logits (B, T)."""
    factor, bias = _LIKE_CLIP
    return factor * (normalize(frames, dim=-1) @ normalize(guide[:, 0], dim=-1)[:, :, None]).squeeze(2) + bias


class Contrast(nn.Module):
    """What sets a frame apart from its video's mean and from the frames before and after it, (B, T, W).

    A moment is short, and the vector of its frame differs little from its neighbours'; beside that difference what
    all frames of a video share is large.
    """

    def __init__(self, visual_width: int, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(3 * visual_width, 2 * width)
        self.outer = nn.Linear(2 * width, width)

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """Frames (B, T, V) and their mask (B, T): (B, T, W). Padding changes nothing for the real ones. O(T)."""
        real = frame_mask[:, :, None].to(frames.dtype)
        count = real.sum(dim=1, keepdim=True).clamp(min=1)
        apart = (frames - (frames * real).sum(dim=1, keepdim=True) / count) * real
        spread = (apart.square().sum(dim=(1, 2), keepdim=True) / (count * frames.shape[2])).clamp(min=_TINY**2).sqrt()
        apart = apart / spread
        both = (frame_mask[:, 1:] & frame_mask[:, :-1])[:, :, None]
        steps = (apart[:, 1:] - apart[:, :-1]) * both
        seen = torch.cat([apart, pad(steps, (0, 0, 1, 0)), pad(-steps, (0, 0, 0, 1))], dim=2)
        told: Tensor = self.outer(self.inner(seen).relu())
        return told
