import pytest
import torch

from clipsum.metrics.kitchen import hidden_slots
from clipsum.training.kitchen_recipe import KitchenRecipe, new_model, train_kitchen, write_summaries
from tests.training.simulated import corpus

SMALL = KitchenRecipe(width=32, ffn=32).trained_with(
    max_steps=4, batch_size=4, schedule={"warmup_steps": 1}, model={"temporal_ffn": 32}
)


@pytest.fixture(scope="module")
def kitchen():
    return corpus("train", 8, frames=10)


pytestmark = pytest.mark.usefixtures("one_thread")


def weights(trained):
    return torch.cat([parameter.detach().ravel() for parameter in trained.model.parameters()])


def test_the_same_seed_gives_the_same_model_to_the_bit_and_another_seed_another(kitchen):
    one, same, other = (weights(train_kitchen(*kitchen, SMALL.with_seed(seed))) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)


def test_each_step_is_reported(kitchen):
    steps = []
    train_kitchen(*kitchen, SMALL, on_step=lambda report: steps.append(report.step))
    assert steps == [1, 2, 3, 4]


def test_without_its_temporal_encoder_the_model_does_not_see_the_order_of_frames(kitchen):
    videos, frames = kitchen
    batch = {
        "input_ids": torch.tensor([[0, 9, 2]]),
        "text_mask": torch.ones(1, 3, dtype=torch.bool),
        "frames": torch.from_numpy(frames[videos[0].video_id][0].vectors)[None],
        "positions": torch.linspace(0, 1, 10)[None],
        "frame_mask": torch.ones(1, 10, dtype=torch.bool),
        "labels": torch.tensor([[0, 9, 8, 2]]),
    }
    backwards = {**batch, "frames": batch["frames"].flip(1)}
    for recipe, differs in ((SMALL, True), (SMALL.without_temporal_encoder(), False)):
        model = new_model(recipe, 300, 64).eval()
        with torch.no_grad():
            gap = (model(**batch).logits - model(**backwards).logits).abs().max()
        assert (float(gap) > 1e-3) is differs


def test_summaries_come_in_the_order_of_the_videos_whatever_the_batches(kitchen):
    videos, frames = kitchen
    trained = train_kitchen(videos, frames, SMALL)
    together = write_summaries(trained, videos, frames)
    assert together == [write_summaries(trained, [video], frames)[0] for video in videos]
    assert write_summaries(trained, videos[::-1], frames, batch_size=3) == together[::-1]


def test_a_model_of_both_writes_from_either_alone(kitchen):
    videos, frames = kitchen
    trained = train_kitchen(videos, frames, SMALL)
    assert all(len(write_summaries(trained, videos[:2], frames, sees)) == 2 for sees in ("text", "frames"))


def test_training_videos_without_embeddings_are_refused_by_name(kitchen):
    videos, frames = kitchen
    with pytest.raises(ValueError, match="1 videos have no embeddings, the first is train-0-00007"):
        train_kitchen(videos, {key: value for key, value in frames.items() if key != "train-0-00007"}, SMALL)


@pytest.mark.slow
def test_hidden_slots_are_read_from_the_frames_of_videos_that_training_has_not_seen():
    videos, frames = corpus("train", 1_500)
    recipe = KitchenRecipe().trained_with(max_steps=600, augmentation={"noise": 0.2})
    trained = train_kitchen(videos, frames, recipe, "frames")
    unseen, their_frames = corpus("validation", 60)
    texts = write_summaries(trained, unseen, their_frames)
    right = [ok for video, text in zip(unseen, texts, strict=True) for _, ok in hidden_slots(video, text)]
    assert sum(right) / len(right) > 0.5  # chance is below 0.1
