"""Pools fit their machine, or are refused with the arithmetic."""

import pytest

from clipsum.config import Sampling
from clipsum.errors import UsageError
from ray_jobs.blocks import BLOCK_BYTES
from ray_jobs.config import EmbedConfig, StagePool, SummarizeConfig
from ray_jobs.pools import Machine, Plan, plan

UNIFORM = Sampling(frames=50)


def _plan(machine: Machine, videos: int = 10_000, sampling: Sampling = UNIFORM, size_px: int = 224, **pools) -> Plan:
    return plan(SummarizeConfig(**pools), sampling, size_px, machine, videos)


@pytest.mark.parametrize("cores", [2, 3, 4, 7, 8, 16, 64, 200])
@pytest.mark.parametrize("gpus", [0, 1, 8])
def test_automatic_pools_fit_every_machine(cores, gpus):
    chosen = _plan(Machine(cores, gpus))
    assert sum(pool.min_actors * pool.cpus for pool in chosen.pools.values()) <= cores - 1 + 1e-6
    assert sum(pool.max_actors * pool.gpus for pool in chosen.pools.values()) <= gpus + 1e-6
    assert all(1 <= pool.min_actors <= pool.initial_actors <= pool.max_actors for pool in chosen.pools.values())


def test_on_two_cores_all_pools_fit_at_once_at_their_largest():
    chosen = _plan(Machine(2))
    assert sum(pool.max_actors * pool.cpus for pool in chosen.pools.values()) <= 1 + 1e-3
    assert (chosen.decode.max_actors, chosen.encode.max_actors, chosen.encode.threads) == (2, 1, 2)


def test_on_many_cores_the_slowest_stage_may_grow_to_all_of_them():
    chosen = _plan(Machine(64))
    assert all(pool.max_actors * pool.threads == 64 for pool in chosen.pools.values())


def test_a_gpu_is_shared_by_both_models_from_the_start():
    chosen = _plan(Machine(32, 2))
    assert (chosen.encode.gpus, chosen.summarize.gpus) == (0.5, 0.5)
    assert (chosen.encode.initial_actors, chosen.summarize.initial_actors) == (2, 2)


@pytest.mark.parametrize("machine", [Machine(2), Machine(64), Machine(32, 2)])
def test_a_job_that_ends_with_embeddings_has_no_pool_for_summaries_and_whole_gpus(machine):
    chosen = plan(EmbedConfig(), UNIFORM, 224, machine, 10_000)
    assert list(chosen.pools) == ["decode", "encode"]
    assert chosen.encode.gpus == (1 if machine.gpus else 0)


def test_few_videos_get_few_model_actors():
    assert _plan(Machine(64), videos=12).encode.max_actors == 1


def test_too_much_is_refused_with_the_arithmetic():
    with pytest.raises(UsageError) as caught:
        _plan(Machine(2), decode=StagePool(cpus=0.5), encode=StagePool(cpus=0.5), summarize=StagePool(cpus=0.5))
    assert "decode 1 x 0.5 + encode 1 x 0.5 + summarize 1 x 0.5 = 1.5 CPUs" in str(caught.value)
    assert "2 cores less one" in str(caught.value)


def test_gpus_that_are_not_there_are_refused():
    with pytest.raises(UsageError, match=r"encode 1 x 1 .* = 1 GPUs at least and the cluster has 0"):
        _plan(Machine(8), encode=StagePool(gpus=1))


def test_bounds_that_cross_are_refused():
    with pytest.raises(UsageError, match="min_actors=3, initial_actors=2, max_actors=4"):
        _plan(Machine(64), decode=StagePool(min_actors=3, initial_actors=2, max_actors=4))


def test_what_is_given_is_kept_and_the_rest_is_chosen():
    chosen = _plan(Machine(64), decode=StagePool(max_actors=3))
    assert (chosen.decode.min_actors, chosen.decode.max_actors, chosen.decode.threads) == (1, 3, 1)


@pytest.mark.parametrize("frames", [1, 50, 100, 400])
def test_a_block_of_frames_stays_small(frames):
    chosen = _plan(Machine(8), sampling=Sampling(frames=frames))
    assert not chosen.fused
    assert max(chosen.decode_batch, chosen.encode_batch) * frames * 224 * 224 * 3 <= BLOCK_BYTES


@pytest.mark.parametrize("sampling", [Sampling(frames=5000), Sampling(mode="rate", max_frames=5000)])
def test_pixels_of_thousands_of_frames_never_leave_their_actor(sampling):
    chosen = _plan(Machine(8), sampling=sampling)
    assert chosen.fused
    assert list(chosen.pools) == ["encode", "summarize"]


@pytest.mark.parametrize("machine", [Machine(32, 0, 2), Machine(6, 0, 2), Machine(64, 8, 8), Machine(7, 0, 1)])
def test_every_actor_fits_one_machine_of_the_cluster(machine):
    for pool in _plan(machine).pools.values():
        assert pool.cpus <= machine.node_cores
        assert pool.threads <= machine.node_cores


@pytest.mark.parametrize("frames", [50, 5000])
@pytest.mark.parametrize(("nodes", "each"), [(2, 2), (3, 2), (3, 4), (2, 8), (16, 2), (4, 32)])
@pytest.mark.parametrize("gpus", [0, 1])
def test_wherever_the_first_actors_go_one_machine_has_a_core_for_the_reading_task(nodes, each, gpus, frames):
    machine = Machine(nodes * each, nodes * gpus, each, nodes)
    pools = _plan(machine, sampling=Sampling(frames=frames)).pools.values()
    assert sum(pool.initial_actors * pool.cpus for pool in pools) <= machine.cores - nodes + 1e-6


def test_machines_of_one_core_each_have_actors_that_fit_one_of_them():
    assert sum(pool.max_actors * pool.cpus for pool in _plan(Machine(3, 0, 1, 3)).pools.values()) < 0.5


def test_pools_that_leave_no_machine_a_core_are_refused():
    with pytest.raises(UsageError, match=r"4 cores less one for Ray Data on each of 2 machines are 2: lower"):
        _plan(Machine(4, 0, 2, 2), decode=StagePool(cpus=1), encode=StagePool(cpus=1), summarize=StagePool(cpus=1))


def test_an_actor_that_fits_no_machine_is_refused():
    with pytest.raises(UsageError, match=r"encode needs 8 CPUs and no machine .* more than 4: .* encode.cpus=4"):
        _plan(Machine(64, 0, 4), encode=StagePool(cpus=8))


@pytest.mark.parametrize("machine", [Machine(1), Machine(1, 1)])
def test_one_core_is_refused_without_advice_that_cannot_help(machine):
    with pytest.raises(UsageError, match=r"the cluster has 1 cores .* 2 are the least$"):
        _plan(machine)


def test_a_part_of_a_core_for_a_stream_is_shared_out():
    chosen = plan(EmbedConfig(), UNIFORM, 224, Machine(1.5, 1, 2), 100)
    assert sum(pool.min_actors * pool.cpus for pool in chosen.pools.values()) <= 0.5


def _blocks(machine: Machine = Machine(2), videos: int = 10_000, size_px: int = 64, mean_bytes: int = 10**6) -> Plan:  # noqa: B008
    return plan(SummarizeConfig(), UNIFORM, size_px, machine, videos, videos * mean_bytes)


def test_small_videos_come_in_large_blocks():
    chosen = _blocks()
    assert (chosen.decode_batch, chosen.encode_batch, chosen.summarize_batch) == (32, 32, 32)


@pytest.mark.parametrize(
    ("given", "block"),
    [
        ({"videos": 200}, 25),
        ({"videos": 20}, 4),
        ({"machine": Machine(64), "videos": 1000}, 4),
        ({"size_px": 224}, 8),
        ({"size_px": 384}, 3),
        ({"mean_bytes": 20 * 10**6}, 13),
        ({"mean_bytes": 10**9}, 4),
    ],
)
def test_blocks_are_smaller_where_videos_are_few_or_large(given, block):
    assert _blocks(**given).decode_batch == block


def test_actors_that_decode_and_encode_share_a_gpu():
    chosen = _plan(Machine(16, 1), sampling=Sampling(frames=5000))
    assert (chosen.encode.max_actors, chosen.encode.gpus, chosen.summarize.gpus) == (4, 0.125, 0.5)
    assert sum(pool.max_actors * pool.cpus for pool in chosen.pools.values()) <= 15
