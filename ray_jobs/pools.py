"""How many actors each stage gets, what each of them reserves, and how many videos it takes at once.

Ray Data runs one task of its own beside the pools (it reads the manifest), from the start to the end, and hangs without
a word when the actors leave it no core of one machine. Wherever Ray puts them, they leave one where a core for each
machine is free in all: so many are what the pools may start with, and `check` refuses with the arithmetic.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from clipsum.config import Sampling
from clipsum.errors import UsageError
from ray_jobs.blocks import BLOCK_BYTES, video_bytes_of, videos_a_block
from ray_jobs.config import ArchiveConfig, StagePool, SummarizeConfig

SMALL_CORES = 8
FUSED_PER_GPU = 4
"""Actors that share a GPU where they decode as well: one alone would leave it idle while it decodes."""
VIDEOS_PER_MODEL = 32
VIDEOS_PER_DECODER = 16
"""Another actor must be worth its start: 5 CPU seconds where it loads a model, 2 where it decodes."""


class Machine(NamedTuple):
    """What the cluster has: in all, the most cores that one of its machines has (None where it is one), machines."""

    cores: float
    gpus: float = 0.0
    node_cores: float | None = None
    nodes: int = 1

    @property
    def room(self) -> float:
        """Cores that the actors may have at the start; with machines of one core each, actors that are small pack."""
        return self.cores - (self.nodes if self.cores > self.nodes else 1)

    @property
    def widest(self) -> float:
        """The most cores that one actor can have."""
        return self.cores if self.node_cores is None else min(self.cores, self.node_cores)


@dataclass(frozen=True)
class ActorPool:
    """A `StagePool` with every number settled."""

    min_actors: int
    max_actors: int
    initial_actors: int
    cpus: float
    gpus: float
    threads: int
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Plan:
    """The pools and the batches, in videos. `fused`: decode and encode share an actor, and `decode` is not used.

    `summarize` is None for a job that ends with embeddings.
    """

    decode: ActorPool
    encode: ActorPool
    summarize: ActorPool | None
    fused: bool
    decode_batch: int
    encode_batch: int
    summarize_batch: int

    @property
    def pools(self) -> dict[str, ActorPool]:
        """The pools that are used, by name, in their order."""
        pools = {"decode": None if self.fused else self.decode, "encode": self.encode, "summarize": self.summarize}
        return {name: pool for name, pool in pools.items() if pool is not None}


def plan(
    config: ArchiveConfig, sampling: Sampling, size_px: int, machine: Machine, videos: int, listed_bytes: int = 0
) -> Plan:
    """Settle pools and batches for `videos` of at most `sampling` frames of `size_px`, whose files have `listed_bytes`.

    Raises: UsageError where the pools' minimum does not fit the machine.
    """
    if machine.cores <= 1:
        raise UsageError(f"the cluster has {machine.cores:g} cores and Ray Data needs one for itself: 2 are the least")
    video_bytes = video_bytes_of(sampling, size_px)
    last = config if isinstance(config, SummarizeConfig) else None
    decode, encode, summarize = _automatic(machine, videos, 2 if last else 1)
    fused = video_bytes > BLOCK_BYTES
    if fused and machine.gpus:
        encode = _sharing(encode, decode)
    most = max(1, BLOCK_BYTES // video_bytes)
    block = min(most, videos_a_block(videos, listed_bytes, (encode if fused else decode).max_actors))
    decode_batch = min(most, config.decode_batch or block)
    batch = max(block, 16 if machine.gpus else 8)
    pools = {"decode": _settle(config.decode, decode), "encode": _settle(config.encode, encode)}
    if last:
        pools["summarize"] = _settle(last.summarize, summarize)
    pools |= _with_room({name: pool for name, pool in pools.items() if not fused or name != "decode"}, machine.room)
    settled = Plan(
        decode=pools["decode"],
        encode=pools["encode"],
        summarize=pools.get("summarize"),
        fused=fused,
        decode_batch=decode_batch,
        encode_batch=config.encode_batch or max(decode_batch, min(batch, most)),
        summarize_batch=(last and last.summarize_batch) or batch,
    )
    check(settled, machine)
    return settled


def _sharing(encode: ActorPool, decode: ActorPool) -> ActorPool:
    """The pool of actors that decode too, several to a GPU, on the cores that decoders would have had."""
    each = max(1, min(FUSED_PER_GPU, 1 + decode.max_actors // encode.max_actors))
    most = each * encode.max_actors
    return replace(encode, max_actors=most, initial_actors=most, gpus=encode.gpus / each)


def _with_room(pools: dict[str, ActorPool], room: float) -> dict[str, ActorPool]:
    """The pools with fewer actors to start with, of the largest first, where they would not have room; they grow."""
    pools = dict(pools)
    while sum(pool.initial_actors * pool.cpus for pool in pools.values()) > room + 1e-9:
        name, largest = max(pools.items(), key=lambda item: item[1].initial_actors - item[1].min_actors)
        if largest.initial_actors == largest.min_actors:
            break
        pools[name] = replace(largest, initial_actors=largest.initial_actors - 1)
    return pools


def check(settled: Plan, machine: Machine) -> None:
    """Refuse pools that could never all start. Raises: UsageError with the arithmetic."""
    for name, pool in settled.pools.items():
        if pool.cpus > machine.widest + 1e-9:
            raise UsageError(
                f"an actor of {name} needs {pool.cpus:g} CPUs and no machine of the cluster has more than "
                f"{machine.widest:g}: lower it, e.g. --set {name}.cpus={machine.widest:g}"
            )
    terms = [f"{name} {pool.min_actors} x {pool.cpus:g}" for name, pool in settled.pools.items()]
    needed = sum(pool.min_actors * pool.cpus for pool in settled.pools.values())
    if needed > machine.room + 1e-9:
        each = f" on each of {machine.nodes} machines" if machine.room < machine.cores - 1 else ""
        raise UsageError(
            f"the pools need {' + '.join(terms)} = {needed:g} CPUs at least, and {machine.cores:g} cores less one for "
            f"Ray Data{each} are {machine.room:g}: lower min_actors or cpus, e.g. --set decode.cpus=0.2"
        )
    gpus = sum(pool.min_actors * pool.gpus for pool in settled.pools.values())
    if gpus > machine.gpus + 1e-9:
        terms = [f"{name} {pool.min_actors} x {pool.gpus:g}" for name, pool in settled.pools.items()]
        raise UsageError(
            f"the pools need {' + '.join(terms)} = {gpus:g} GPUs at least and the cluster has {machine.gpus:g}: "
            "lower min_actors or gpus, e.g. --set encode.gpus=0"
        )


def _automatic(machine: Machine, videos: int, model_stages: int) -> tuple[ActorPool, ActorPool, ActorPool]:
    """Pools for decode, encode, summarize, for `videos` that are to do; `model_stages` of them run a model.

    On few cores an actor reserves a sliver, the operating system shares the cores out, and one actor of each model
    reaches all of them by its threads: Ray Data cannot see that they are busy, and would go on starting and ending
    actors. On many cores what is reserved is what is used, and the slowest stage grows.
    """
    cores, width = max(1, int(machine.cores)), max(1, int(machine.widest))
    models, decoders = math.ceil(videos / VIDEOS_PER_MODEL), math.ceil(videos / VIDEOS_PER_DECODER)
    if machine.gpus:
        return _with_gpus(machine, cores, models, decoders, model_stages)
    if cores < SMALL_CORES:
        most = max(1, min(cores, decoders))
        one_each = machine.nodes > 1 and machine.cores <= machine.nodes
        sliver = 0.01 if one_each else round(machine.room / (cores + 2) - 5e-5, 4) or 0.01
        model = ActorPool(1, 1, 1, cpus=sliver, gpus=0, threads=min(cores, width))
        return ActorPool(1, most, most, cpus=sliver, gpus=0, threads=1), model, model
    share = round((machine.cores - 1) / machine.cores, 4)  # the core that Ray Data reserves is hardly used by it
    threads = min(2 if cores < 32 else 4, width)
    model = ActorPool(1, max(1, min(cores // threads, models)), 1, cpus=threads * share, gpus=0, threads=threads)
    most = max(1, min(cores, decoders))
    return ActorPool(1, most, max(1, most // 4), cpus=share, gpus=0, threads=1), model, model


def _with_gpus(
    machine: Machine, cores: int, models: int, decoders: int, model_stages: int
) -> tuple[ActorPool, ActorPool, ActorPool]:
    """The model stages share each GPU, with all actors from the start: such pools grow slowly. The rest decodes."""
    actors = max(1, min(int(machine.gpus), models))
    cpus = 1.0 if cores >= 4 * (1 + actors) else round((machine.cores - 1) / (2 + 4 * actors), 4)
    model = ActorPool(1, actors, actors, cpus=cpus, gpus=1 / model_stages, threads=1)
    most = max(1, min(decoders, int((machine.cores - 1 - 2 * actors * cpus) / cpus)))
    return ActorPool(1, most, max(1, most // 2), cpus=cpus, gpus=0, threads=1), model, model


def _settle(given: StagePool, automatic: ActorPool) -> ActorPool:
    """What is given, and the automatic value for what is not. Raises: UsageError where the bounds cross."""
    min_actors = given.min_actors or min(automatic.min_actors, given.max_actors or automatic.min_actors)
    max_actors = given.max_actors or max(automatic.max_actors, min_actors)
    initial_actors = given.initial_actors or min(max(automatic.initial_actors, min_actors), max_actors)
    if not min_actors <= initial_actors <= max_actors:
        raise UsageError(
            f"min_actors={min_actors}, initial_actors={initial_actors}, max_actors={max_actors}: they must rise"
        )
    return ActorPool(
        min_actors,
        max_actors,
        initial_actors,
        cpus=given.cpus or automatic.cpus,
        gpus=automatic.gpus if given.gpus is None else given.gpus,
        threads=given.threads or automatic.threads,
        memory_bytes=given.memory_bytes,
    )
