"""The head that scores frames: what must not change a score, what must, and the trap of a single text."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from clipsum.config import Sampling
from clipsum.errors import UsageError
from clipsum.models.batch import Guide
from clipsum.models.bundle import load_bundle
from clipsum.models.config import ModelConfig, ScorerConfig
from clipsum.models.scorer import GuidedAttention
from clipsum.models.summarize import Summarizer
from tests.models.tiny import batch_of, embeddings_of, frames, item, tiny_config, tiny_model, write_bundle

LABELS = (0, 7, 8, 9, 2)
SCORER = ScorerConfig(ffn=48)
VARIANTS = {
    "global": {},
    "local": {"attention": "local", "attention_radius": 1, "cross_attention": "local"},
    "without a temporal encoder": {"temporal_layers": 0},
    "without layers of its own": {"scorer": ScorerConfig(layers=0)},
    "of another width than the frame states": {"temporal_width": 16, "scorer": ScorerConfig(width=40, heads=5, ffn=48)},
}


@pytest.fixture(params=VARIANTS)
def model(request):
    return tiny_model(**{"scorer": SCORER, **VARIANTS[request.param]})


def _guide(texts, seed=0, asked=False, timed=False, width=24):
    starts = np.sort(np.random.default_rng(seed).uniform(0, 0.9, texts)) if timed else np.zeros(texts)
    times = np.stack([starts, starts + 0.5 / max(1, texts) if timed else np.ones(texts)], axis=1)
    return Guide(frames(texts, width, seed + 100), times, asked)


def _guided(shown, seed, guide, **options):
    return replace(item(5, shown, seed, **options), guide=guide)


def _logits(model, *items):
    with torch.inference_mode():
        batch = batch_of(*items)
        found = model(**batch).frame_logits
    return [row[: 0 if each.vectors is None else len(each.vectors)] for row, each in zip(found, items, strict=True)]


def _rank(logits):
    return logits.argsort().tolist()


def test_an_item_alone_and_in_any_batch_has_the_same_scores(model):
    mixed = [
        _guided(6, 1, _guide(4, 1, timed=True)),
        _guided(11, 2, None),
        _guided(1, 3, _guide(1, 2, asked=True)),
        _guided(3, 4, _guide(9, 3)),
        _guided(0, 5, _guide(2, 4)),
    ]
    for together, single in zip(_logits(model, *mixed), mixed, strict=True):
        torch.testing.assert_close(together, _logits(model, single)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("shown", [0, 1, 2, 3])
@pytest.mark.parametrize("guide", [None, _guide(1, asked=True), _guide(3, timed=True)])
def test_very_short_videos_have_finite_scores_and_gradients(model, shown, guide):
    batch = batch_of(_guided(shown, 1, guide, labels=LABELS), _guided(shown, 2, None, labels=LABELS))
    found = model.train()(**batch)
    (found.frame_logits.square().mean() + found.rebuilt.square().mean() + found.loss).backward()
    assert torch.isfinite(found.frame_logits).all()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters() if weight.grad is not None)


def test_every_weight_of_the_scorer_learns(model):
    batch = batch_of(*(_guided(9, seed, _guide(4, seed, asked=bool(seed), timed=True)) for seed in range(2)))
    found = model.train()(**batch)
    (found.frame_logits.pow(3).sum() + found.rebuilt.pow(3).sum()).backward()
    weights = dict(model.scorer.named_parameters())
    assert [name for name, weight in weights.items() if weight.grad is None or not weight.grad.abs().sum() > 0] == []


def test_a_query_that_was_never_learned_is_answered_by_the_cosine_of_clip_and_one_that_was_is_not():
    asked, told = _guided(9, 1, _guide(3, asked=True)), _guided(7, 2, _guide(3))
    cosines, others = (torch.from_numpy(each.vectors @ each.guide.vectors[0]) for each in (asked, told))
    for origins, is_cosine in ((("transcript",), True), (("query",), False), (None, False)):
        model = tiny_model(scorer=ScorerConfig(ffn=48, origins=origins))
        of_query, of_told = _logits(model, asked, told)
        assert torch.allclose(of_query, 10 * cosines - 2, atol=1e-4) is is_cosine
        assert not torch.allclose(of_told, 10 * others - 2, atol=1e-2)


def test_another_query_gives_another_ranking_and_no_query_the_generic_one():
    model = _larger_answers(tiny_model(scorer=SCORER))
    ranks = [_rank(_logits(model, _guided(20, 1, guide))[0]) for guide in (None, *_one_word_queries())]
    assert len({tuple(rank) for rank in ranks}) == 3
    assert _rank(_logits(model, _guided(20, 1, None))[0]) == ranks[0]


def test_what_is_asked_and_what_is_said_guide_differently():
    model = _larger_answers(tiny_model(scorer=SCORER))
    asked, said = (_logits(model, _guided(20, 1, replace(_guide(3), asked=asked)))[0] for asked in (True, False))
    assert (asked - said).abs().max() > 1e-3


def _one_word_queries():
    return _guide(1, 1, asked=True), _guide(1, 2, asked=True)


def _larger_answers(model):
    """At the start what a text says is small beside what a frame is."""
    with torch.no_grad():
        for layer in (model.scorer.guide.ask, model.scorer.guide.key, model.scorer.guide.value):
            layer.weight.mul_(4)
    return model


class _Trap(nn.Module):
    """Attention to one single text, and nothing of the frame beside it: what must not be."""

    def __init__(self, residual):
        super().__init__()
        torch.manual_seed(0)
        self.attention, self.residual = nn.MultiheadAttention(24, 4, batch_first=True), residual

    def answer(self, states, texts, *_):
        return self.attention(states, texts, texts)[0]

    def forward(self, states, texts, *_):
        return self.answer(states, texts) + (states if self.residual else 0)


def _differ(told):
    """How much what one frame is told differs from what the others are."""
    told = told.detach()
    return float((told - told.mean(dim=1, keepdim=True)).abs().max())


def _one_text():
    torch.manual_seed(1)
    positions, mask = torch.linspace(0, 1, 6, dtype=torch.float64)[None], torch.ones(1, 6, dtype=torch.bool)
    times = torch.tensor([[[0.0, 1.0]]], dtype=torch.float64)
    return torch.randn(1, 6, 24), torch.randn(1, 1, 24), mask[:, :1], times, positions, mask


@pytest.mark.parametrize("radius", [None, 2])
def test_with_a_single_text_each_frame_still_gets_an_answer_of_its_own_and_keeps_what_it_is(radius):
    torch.manual_seed(0)
    ours, given = GuidedAttention(24, 4, 0.0, radius).eval(), _one_text()
    assert _differ(ours.answer(*given)) > 1e-3
    nn.init.zeros_(ours.out.weight)
    assert _differ(ours(*given)) > 0.1


def test_attention_to_a_single_text_alone_falls_into_the_trap():
    given = _one_text()
    assert _differ(_Trap(residual=True).answer(*given)) < 1e-6
    assert _differ(_Trap(residual=False)(*given)) < 1e-6


def test_with_a_single_text_the_frames_that_fit_it_are_told_apart_from_those_that_do_not():
    model = _larger_answers(tiny_model(scorer=ScorerConfig(layers=0), temporal_layers=0))
    with torch.no_grad():
        model.scorer.project_texts.load_state_dict(model.scorer.project_frames.state_dict())
        model.scorer.guide.key.load_state_dict(model.scorer.guide.ask.state_dict())
    states, _, mask, times, positions, real = _one_text()
    states = model.scorer.project_frames(nn.functional.normalize(states, dim=-1))
    text = states[:, 2:3]
    weights = (model.scorer.guide.ask(states) * model.scorer.guide.key(text)).sum(dim=2)
    assert int(weights.argmax()) == 2
    told = model.scorer.guide.answer(states, text, mask, times, positions, real)
    assert _differ(told) > 1e-3


def test_texts_far_from_a_frame_change_its_score_under_global_attention_and_not_under_local():
    far = _guide(5, timed=True)
    moved = replace(far, vectors=np.concatenate([far.vectors[:-1], -far.vectors[-1:]]))
    for changes, first_moves in (({}, True), (VARIANTS["local"], False)):
        model = tiny_model(**{"scorer": SCORER, **changes})
        one, other = (_logits(model, _guided(40, 1, guide))[0] for guide in (far, moved))
        assert ((one - other).abs() > 1e-6).any()
        assert bool((one - other).abs()[0] > 1e-6) == first_moves


def test_local_attention_to_texts_is_global_attention_where_the_radius_takes_in_all():
    near, whole = (tiny_model(scorer=SCORER, cross_attention=how, attention_radius=50) for how in ("local", "global"))
    whole.load_state_dict(near.state_dict())
    one, other = (_logits(model, _guided(30, 1, _guide(7, timed=True)))[0] for model in (near, whole))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


class _Largest(TorchDispatchMode):
    """Sees every tensor that is made; `bytes` of the largest storage, and of all together."""

    def __init__(self):
        super().__init__()
        self.largest = self.all = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                size = tensor.untyped_storage().nbytes()
                self.largest, self.all = max(self.largest, size), self.all + size
        return made


def test_scoring_a_long_video_under_local_attention_makes_no_tensor_of_frames_by_frames_or_frames_by_sentences():
    def made(shown):
        model = tiny_model(**{**VARIANTS["local"], "scorer": SCORER})
        batch = batch_of(_guided(shown, 1, _guide(shown // 10, timed=True)))
        with torch.inference_mode(), _Largest() as seen:
            model.scorer(
                model.look(batch["frames"], batch["positions"], batch["frame_mask"]),
                *(
                    batch[name]
                    for name in ("positions", "frame_mask", "frames", "guide", "guide_mask", "guide_times", "asked")
                ),
            )
        return seen

    smaller, larger = made(10_000), made(20_000)
    assert larger.all <= 2.5 * smaller.all
    assert larger.largest <= 2.5 * smaller.largest
    assert larger.largest < 20_000 * 2_000


def test_frames_that_are_appended_for_the_decoder_make_no_tensor_of_frames_by_frames_in_a_padded_batch_either():
    model = tiny_model(attention="local", cross_attention="local", context="append")
    batch = batch_of(_guided(4_000, 1, None), _guided(3_000, 1, None))
    given = {name: batch[name] for name in ("input_ids", "text_mask", "frames", "positions", "frame_mask")}
    with torch.inference_mode(), _Largest() as seen:
        states, mask = model.encode(**given)
    assert mask.sum(dim=1).diff().item() == -1_000
    assert bool(states.isfinite().all())
    assert seen.largest < 4_000 * 4_000 / 2


def test_a_scorer_whose_heads_do_not_divide_its_width_is_refused_with_both():
    with pytest.raises(ValueError, match=r"scorer width 24 is not a multiple of scorer\.heads=7"):
        tiny_config(scorer=ScorerConfig(heads=7))


def test_a_model_without_a_scorer_has_the_weights_it_always_had():
    plain, scoring = tiny_model(), tiny_model(scorer=SCORER)
    assert not [name for name in plain.state_dict() if name.startswith("scorer")]
    assert all(torch.equal(tensor, scoring.state_dict()[name]) for name, tensor in plain.state_dict().items())
    assert plain(**batch_of(item(5, 4, labels=LABELS))).frame_logits is None


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scoring")
    model = tiny_model(scorer=SCORER, cross_attention="local")
    write_bundle(str(folder / "b"), folder / "clip", sampling=Sampling(frames=8), model=model)
    return model, load_bundle(str(folder / "b"))


def test_the_scorer_travels_in_the_bundle_with_its_configuration(bundle):
    model, loaded = bundle
    assert loaded.manifest.model.scorer == SCORER
    one = _guided(8, 1, _guide(3, timed=True))
    assert torch.equal(_logits(loaded.model, one)[0], _logits(model, one)[0])


def test_each_query_is_scored_beside_the_generic_case_as_it_would_be_alone(bundle):
    _, loaded = bundle
    summarizer = Summarizer(loaded)
    seen = embeddings_of(frames(8), loaded.manifest.fingerprint)
    guides = [None, _guide(3, timed=True), _guide(2, asked=True)]
    together = summarizer.score(seen, 30.0, guides)
    assert together.shape == (3, 8)
    assert ((together > 0) & (together < 1)).all()
    for row, guide in zip(together, guides, strict=True):
        np.testing.assert_allclose(row, summarizer.score(seen, 30.0, [guide])[0], atol=1e-6)
    assert summarizer.score(embeddings_of(frames(8)[:0], loaded.manifest.fingerprint), 30.0, guides).shape == (3, 0)


def test_a_bundle_without_a_scorer_still_loads_and_says_that_it_scores_no_frames(tmp_path):
    write_bundle(str(tmp_path / "b"), tmp_path / "clip", sampling=Sampling(frames=8), model=tiny_model())
    plain = load_bundle(str(tmp_path / "b"))
    assert plain.manifest.model.scorer is None
    assert plain.manifest.model == ModelConfig(**plain.manifest.model.model_dump(exclude={"scorer"}))
    seen = embeddings_of(frames(8), plain.manifest.fingerprint)
    with pytest.raises(UsageError, match="scores no frames: name one that was trained with a scorer"):
        Summarizer(plain).score(seen, 30.0, [None])
