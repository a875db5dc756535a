"""What a call's configuration makes of the bundle's own settings."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

from clipsum.config import Sampling, load
from clipsum.errors import UsageError
from ray_jobs.call import TOY, Call, laid_over, refuse_too_many_frames, with_pools
from ray_jobs.config import StagePool, SummarizeConfig
from ray_jobs.jobs import SUMMARIZE
from ray_jobs.pools import Machine, plan
from tests.ray_jobs.test_actors import SETTINGS

RATE = Sampling(mode="rate", rate_fps=2, max_frames=64)


@pytest.mark.parametrize(
    ("bundles", "given", "expected"),
    [
        (RATE, [], "rate:2.0:64"),
        (RATE, ["max_frames=100"], "rate:2.0:100"),
        (RATE, ["mode=uniform"], "uniform:50"),
        (RATE, ["mode=uniform", "frames=9"], "uniform:9"),
        (Sampling(frames=8), ["frames=9"], "uniform:9"),
        (Sampling(frames=8), ["mode=rate", "max_frames=7"], "rate:1.0:7"),
        (Sampling(frames=8), ["mode=uniform"], "uniform:8"),
    ],
)
def test_a_key_of_sampling_leaves_the_bundles_other_keys_alone(bundles, given, expected):
    config = load(SummarizeConfig, None, [f"sampling.{word}" for word in given])
    assert str(laid_over(bundles, config.sampling)) == expected


@pytest.mark.parametrize(
    ("bundles", "word", "mode"), [(RATE, "frames=20", "uniform"), (Sampling(frames=8), "max_frames=20", "rate")]
)
def test_a_key_that_would_say_nothing_is_refused(bundles, word, mode):
    config = load(SummarizeConfig, None, [f"sampling.{word}"])
    with pytest.raises(UsageError, match=f"says nothing .* add --set sampling.mode={mode}"):
        laid_over(bundles, config.sampling)


@pytest.mark.parametrize(
    ("machine", "pools", "devices"),
    [
        (Machine(8), {}, ("cpu", "cpu")),
        (Machine(8, 1), {}, ("cuda", "cuda")),
        (Machine(8, 1), {"encode": StagePool(gpus=0)}, ("cpu", "cuda")),
    ],
)
def test_only_a_stage_that_reserves_a_gpu_uses_one(machine, pools, devices):
    settings = with_pools(SETTINGS, plan(SummarizeConfig(**pools), Sampling(), 224, machine, 100))
    assert (settings.encode_device, settings.summarize_device) == devices


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["frames=20000"], "--set sampling.frames=14266, or --set limits.max_memory_bytes=6021120000"),
        (["mode=rate", "rate_fps=2", "max_frames=100000"], "28,800 frames .* --set sampling.max_frames=14266"),
        (["mode=rate", "max_frames=14000"], ""),
        (["mode=rate", "rate_fps=0.5", "max_frames=100000"], ""),
        (["frames=14266"], ""),
    ],
)
def test_more_frames_than_can_be_held_are_refused_with_what_can(words, remedy):
    sampling = load(SummarizeConfig, None, [f"sampling.{word}" for word in words]).sampling
    refused = pytest.raises(UsageError, match=remedy) if remedy else nullcontext()
    with refused:
        refuse_too_many_frames(replace(SETTINGS, sampling=sampling))


def test_the_bundled_toy_is_told_to_know_only_its_kitchen_but_where_that_is_what_it_sees():
    call = Call(SUMMARIZE, ("videos",), "out", "kitchen-tiny", SummarizeConfig())
    assert call.notes == [TOY]
    assert replace(call, toy_videos=True).notes == replace(call, bundle="mine/kitchen-tiny").notes == []
