from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from clipsum.datasets.embedded import open_embedded
from clipsum.datasets.embedding_rows import Kind
from clipsum.errors import UsageError
from clipsum.evaluation.reencode import Reencoded
from clipsum.models.batch import Item
from clipsum.models.bundle import load_bundle
from clipsum.models.summarize import Summarizer
from clipsum.training.finetune import EncoderFinetune
from clipsum.training.modalities import Augmentation, sampled, vary
from clipsum.training.recipes import configure, recipe
from clipsum.training.sources import TrainData
from tests.datasets.embedded_folder import video, write_part
from tests.training.runs import PLAIN, changed, data_of, losses, split_reports, trainer
from tests.training.watched import coloured_data, dim_base, watched_data

TUNED = changed(encoder_finetune={"layers": 1, "learning_rate": 1e-2, "warmup_steps": 0})
SHUFFLED = changed(
    TUNED,
    model={"dropout": 0.1, "bart_dropout": 0.1},
    augmentation=Augmentation(drop_text=0.2, drop_frames=0.2, thin=0.5, noise=0.3).model_dump(),
    encoder_finetune={"layers": 1, "learning_rate": 1e-2, "warmup_steps": 3, "frozen_steps": 1, "frames": 3},
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(base):
    return watched_data(base)


@pytest.fixture(scope="module")
def run(base, data):
    """A run to its end."""
    made = trainer(base, TUNED, data)
    made.reports = list(made.run())
    return made


@pytest.fixture(scope="module")
def tuned(run, tmp_path_factory):
    """The bundle that the run left."""
    folder = tmp_path_factory.mktemp("tuned") / "bundle"
    run.save(folder)
    return load_bundle(str(folder))


def weights_of(bundle):
    return load_file(bundle.folder / "encoder" / "open_clip_model.safetensors")


def test_the_upper_weights_change_and_the_lower_ones_and_the_texts_do_not_to_the_bit(base, tuned):
    before, after = weights_of(base), weights_of(tuned)
    assert before.keys() == after.keys()
    changed_ones = {name for name in before if not torch.equal(before[name], after[name])}
    learning = ("visual.transformer.resblocks.1.", "visual.ln_post.", "visual.proj")
    assert changed_ones == {name for name in before if name.startswith(learning)}


@pytest.mark.slow
def test_the_loss_falls_where_a_frozen_encoder_shows_too_little(tmp_path):
    base = dim_base(tmp_path)
    model = {**PLAIN.model.model_dump(), "generation": {"max_tokens": 8, "num_beams": 1}}
    config = changed(sees="frames", max_steps=110, batch_size=12, model=model)
    data, found = coloured_data(base), {}
    for layers in (0, 1):
        once = changed(config, encoder_finetune={"layers": layers, "learning_rate": 2e-2, "warmup_steps": 0})
        _, (last,) = split_reports(trainer(base, once, data).run())
        found[layers] = last.metrics["loss"]
    guessing = np.log(4) / 7  # which of four sentences, over seven tokens
    assert found[0] > 0.9 * guessing
    assert found[1] < 0.4 * guessing


def test_before_it_learns_it_is_the_base(base, data):
    frozen, once = (losses(islice(trainer(base, config, data).run(), 1)) for config in (PLAIN, TUNED))
    assert once == pytest.approx(frozen, abs=1e-4)


def test_the_bundle_carries_the_encoder_and_writes_what_the_run_wrote(base, run, tuned):
    assert tuned.manifest.encoder.weights == "encoder"
    assert tuned.manifest.fingerprint != base.manifest.fingerprint
    encoder = tuned.encoder(precision="fp32")
    assert encoder.fingerprint == tuned.manifest.fingerprint
    videos = Reencoded(run.data.validation, encoder, {})
    sources = [(video.embeddings, video.transcript, video.duration_s) for video in videos]
    written = [summary.text for summary in Summarizer(tuned).summarize(sources)]
    _, (last,) = split_reports(run.reports)
    assert written == [summary for _, _, summary in last.samples]
    assert "last 1 blocks" in (tuned.folder / "README.md").read_text()


def test_embeddings_of_the_base_encoder_are_refused_by_the_tuned_bundle(run, tuned):
    seen = run.data.validation[0]
    with pytest.raises(UsageError, match="embeddings have fingerprint"):
        Summarizer(tuned).summarize([(seen.embeddings, seen.transcript, seen.duration_s)])


@pytest.mark.parametrize("stop", [2, 4])
def test_a_restored_run_is_equal_to_the_bit_to_one_that_never_stopped(base, data, tmp_path, stop):
    whole, first, second = (trainer(base, SHUFFLED, data) for _ in range(3))
    expected = losses(whole.run())
    begun = losses(islice(first.run(), stop))
    first.save(tmp_path / "checkpoint")
    second.restore(tmp_path / "checkpoint")
    assert begun + losses(second.run()) == expected
    pairs = zip(whole._learner.tower.parameters(), second._learner.tower.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_step_without_any_frames_is_a_step(base, data):
    blind = replace(data, train=data_of(base, without_frames=True).train)
    run = trainer(base, changed(TUNED, max_steps=2), blind)
    assert all(np.isfinite(loss) for loss in losses(run.run()))


def test_recomputing_states_changes_nothing(base, data, run):
    again = trainer(
        base, changed(TUNED, encoder_finetune={**TUNED.encoder_finetune.model_dump(), "recompute": True}), data
    )
    assert losses(again.run()) == pytest.approx(losses(run.reports), abs=1e-6)


def test_under_bf16_the_encoder_learns_in_float32(base, data):
    run = trainer(base, changed(TUNED, precision="bf16", max_steps=1), data)
    before = {name: weight.detach().clone() for name, weight in run._learner.tower.learned().items()}
    _ = next(run.run())
    after = run._learner.tower.learned()
    assert all(after[name].dtype == torch.float32 for name in before)
    assert not any(torch.equal(after[name], before[name]) for name in before if name.endswith("weight"))


def test_the_encoder_stays_as_it_is_in_its_frozen_steps(base, data):
    tuned = {**TUNED.encoder_finetune.model_dump(), "frozen_steps": 2}
    run = trainer(base, changed(TUNED, encoder_finetune=tuned), data)
    before = [weight.detach().clone() for weight in run._learner.tower.parameters()]
    kept = []
    for _ in islice(run.run(), 3):
        pairs = zip(before, run._learner.tower.parameters(), strict=True)
        kept.append(all(torch.equal(one, other) for one, other in pairs))
    assert kept == [True, True, False]


def test_the_rate_is_zero_then_rises_then_stays():
    tuned = EncoderFinetune(layers=1, learning_rate=1.0, frozen_steps=2, warmup_steps=3)
    assert [tuned.rate(step) for step in range(7)] == [0, 0, 0.25, 0.5, 0.75, 1, 1]


def test_data_without_pixels_are_refused_with_the_remedy(base, tmp_path):
    remedy = "2 of 3 videos of split 'train' have none, the first is 'a': .*--set keep_pixels=true"
    kind = Kind(base.manifest.fingerprint, str(base.manifest.sampling), base.manifest.seek)
    rows = [video("a", kind=kind), video("b", kind=kind), video("c", kind=kind, size_px=32)]
    write_part(str(tmp_path), 0, [*rows, video("d", "validation", kind=kind, size_px=32)], kind)
    stored = open_embedded(str(tmp_path))
    with pytest.raises(UsageError, match=remedy):
        trainer(base, TUNED, TrainData(stored.of_split("train"), stored.of_split("validation")))
    with pytest.raises(UsageError, match="13 of 13 videos of split 'train' have none"):
        trainer(base, TUNED, data_of(base))


def test_more_layers_than_there_are_are_refused(base, data):
    with pytest.raises(UsageError, match=r"encoder_finetune\.layers=3: encoder tiny has 2 blocks"):
        trainer(base, changed(encoder_finetune={"layers": 3}), data)


@pytest.mark.parametrize("other", [{"parallel": "fsdp2"}, {"sees": "text"}])
def test_what_does_not_go_with_it_is_refused_by_name(other):
    with pytest.raises(ValueError, match="encoder_finetune"):
        changed(TUNED, **other)


def test_pixels_go_where_their_frames_go():
    vectors = np.eye(8, dtype=np.float32)
    pixels = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    item = Item((0, 5, 2), vectors, np.arange(8) / 8, pixels=pixels)
    rng = np.random.default_rng(0)
    some = sampled(item, 4, rng)
    numbers = some.pixels[:, 0, 0, 0].tolist()
    assert [number // 2 for number in numbers] == [0, 1, 2, 3]
    varied = vary(some, Augmentation(drop_text=0, drop_frames=0, thin=1, thin_to=0.5, noise=0.3), rng)
    kept = varied.pixels[:, 0, 0, 0].tolist()
    assert set(kept) <= set(numbers)
    assert varied.vectors.argmax(axis=1).tolist() == (varied.relative * 8).tolist() == kept
    assert varied.shift.shape == varied.vectors.shape
    assert np.linalg.norm(varied.shift, axis=1) == pytest.approx(0.3, rel=0.8)
    assert sampled(replace(item, vectors=None), 4, rng).pixels is pixels


def test_it_is_named_in_a_recipe_and_switched_by_a_word():
    named = recipe("clipsum-finetuned").encoder_finetune
    assert (named.layers, named.frames, named.learning_rate) == (2, 16, 1e-5)
    assert recipe("clipsum").encoder_finetune.layers == 0
    assert configure("kitchen", overrides=["encoder_finetune=true"]).encoder_finetune.layers == 2
    assert configure("clipsum-finetuned", overrides=["encoder_finetune.layers=0"]).encoder_finetune.layers == 0
