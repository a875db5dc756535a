"""What a step of training holds where attention is local: in proportion to the frames."""

import numpy as np
import torch

from clipsum.models.batch import Guide, Item, collate
from clipsum.models.config import ScorerConfig
from clipsum.training.config import OptimizerConfig
from clipsum.training.loop import Rule, update
from clipsum.training.objective import Objective
from clipsum.training.optimizer import build_optimizer
from tests.models.tiny import frames, tiny_model
from tests.peak import peak_bytes

LOCAL = {"attention": "local", "cross_attention": "local", "context": "text"}


def _video(count, sentences):
    """A video of so many frames and timed sentences, one sentence without a time among them."""
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0.0], np.arange(sentences) / sentences])
    times = np.stack([starts, np.minimum(starts + 1 / sentences, 1.0)], axis=1)
    times[0] = 0.0, 1.0
    guide = Guide(frames(sentences + 1, 24, 1), times)
    relative = (np.arange(count) + 0.5) / count
    marks = rng.random(count).astype(np.float32)
    ids = [0, *([7] * 14), 2]
    return Item(
        ids, frames(count, 24, 2), relative, ids, text_times=np.tile((0.2, 0.3), (16, 1)), guide=guide, marks=marks
    )


def test_a_step_of_both_heads_holds_memory_in_proportion_to_the_frames_and_no_tensor_of_frames_by_frames():
    def peak(count):
        torch.manual_seed(0)
        model = tiny_model(**LOCAL, scorer=ScorerConfig(layers=1, ffn=32))
        batch = collate([_video(count, count // 4), _video(count // 2, count // 8)], 1)  # padding in both
        rule = Rule(1.0, objective=Objective(lambda_video=1.0))
        optimizer = build_optimizer(model, OptimizerConfig())
        return peak_bytes(lambda: update(model, optimizer, [batch], 32, 1e-3, rule, 0, videos=2))

    (smaller, _), (larger, largest) = peak(2_000), peak(4_000)
    assert larger <= 2.5 * smaller
    assert largest < 4_000 * 4_000  # bytes: of a mask of frames by frames one for each pair
