"""The stages as Ray Data's actors. Each loads its stage in its own process, so that the driver never loads a model.

A video that takes its actor down with it (a crash in native code, the kernel's or Ray's own killing for memory) must
not do so for ever. Each block is told to `Casualties` when it is begun and when it is done. A block that comes again
without having been done is worked through one video at a time, and a video that has taken two actors down by itself
is passed to the stage as `died`: it gets a row that says so.
"""

import atexit
import gc
import os
import signal
from collections import Counter
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import ray

from clipsum.errors import ItemError, UsageError
from ray_jobs.item import DeviceLostError
from ray_jobs.stages import StageSettings

MAX_DEATHS = 2
"""Two, since a machine that goes down takes the video with it that is worked on there, once."""

END_S = 30
"""What the end of an actor's process may take. Ray 2.60's own (HandleAtExit) may wait for itself, for ever."""


class Stage(NamedTuple):
    """Where the callable of a stage is, and its niceness.

    The later a stage, the sooner it gets a core (niceness is added to Ray's own): where stages share cores, decoders
    would else run ahead and leave the summarizer to finish alone.
    """

    module: str
    name: str
    niceness: int


DECODE = Stage("ray_jobs.stages", "Decode", 8)
ENCODE = Stage("ray_jobs.model_stages", "Encode", 4)
DECODE_AND_ENCODE = Stage("ray_jobs.model_stages", "DecodeAndEncode", 4)
EMBED = Stage("ray_jobs.embed_stages", "Embed", 4)
DECODE_AND_EMBED = Stage("ray_jobs.embed_stages", "DecodeAndEmbed", 4)
SUMMARIZE = Stage("ray_jobs.model_stages", "Summarize", 0)


class Work(Protocol):
    """A stage as a callable, table in and table out; `died` are the indices of videos that it must not touch."""

    def __call__(self, table: pa.Table, died: Collection[int] = ()) -> pa.Table:
        """Do the rows of a table."""
        ...


class Casualties:
    """Counts how often something was begun and never done: as often did an actor die over it."""

    def __init__(self) -> None:
        self._begun: Counter[tuple[Any, ...]] = Counter()

    def begin(self, work: tuple[Any, ...]) -> int:
        """How often `work` was begun before and never done."""
        self._begun[work] += 1
        return self._begun[work] - 1

    def done(self, *works: tuple[Any, ...]) -> None:
        """Forget `works`."""
        for work in works:
            del self._begun[work]


class Watched:
    """Work under the eyes of `Casualties`, given as two functions; `stage` names it."""

    def __init__(
        self, stage: str, work: Work, begin: Callable[[tuple[Any, ...]], int], done: Callable[..., object]
    ) -> None:
        self._stage, self._work, self._begin, self._done = stage, work, begin, done

    def __call__(self, table: pa.Table) -> pa.Table:
        """All rows at once; one at a time where an actor died over them before."""
        indices = table["index"].to_pylist()
        block = (self._stage, *indices)
        if not self._begin(block):
            whole = self._work(table)
            self._done(block)
            return whole
        whole = pa.concat_tables([self._alone(index, table.slice(row, 1)) for row, index in enumerate(indices)])
        self._done(block, *((self._stage, "alone", index) for index in indices))
        return whole

    def _alone(self, index: int, row: pa.Table) -> pa.Table:
        """One row, whose deaths are remembered until its block is done: another row may still end this actor."""
        alone = (self._stage, "alone", index)
        deaths = self._begin(alone)
        if deaths >= MAX_DEATHS:
            return self._work(row, died=(index,))
        done = self._work(row)
        self._done(alone)
        return done


class StageActor:
    """A stage that is made when the actor starts.

    A refusal of the making waits for the first call: Ray Data starts an actor that fails again and loses what it
    raised, while what a call raises reaches the driver whole. A device that is lost ends the actor, for it would fail
    every video after this one; Ray gives the block to another.
    """

    def __init__(self, stage: Stage, settings: StageSettings, casualties: Any = None) -> None:
        end_in_time()
        os.nice(stage.niceness)
        # torch's threads would else spin while they wait for one another, on cores that other actors need
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._refusal: UsageError | ItemError | None = None
        try:
            work: Work = getattr(import_module(stage.module), stage.name)(settings)
        except (UsageError, ItemError) as error:
            self._refusal = error
            return
        self._work: Callable[[pa.Table], pa.Table] = work
        if casualties is not None:
            begin, done = casualties.begin.remote, casualties.done.remote
            self._work = Watched(stage.name, work, lambda work: int(ray.get(begin(work))), done)
        # What is loaded by now stays for as long as the actor does. Python would look through all of it again at the
        # actor's end, for 1.4 s of processor time where torch is loaded, while other actors still work.
        gc.freeze()

    def __call__(self, table: pa.Table) -> pa.Table:
        """Table in, table out."""
        if self._refusal is not None:
            raise self._refusal
        try:
            return self._work(table)
        except DeviceLostError:
            os._exit(1)


def end_in_time(patience_s: int = END_S) -> None:
    """Have the kernel end this process where its own end, once it has begun, takes longer."""
    atexit.register(signal.alarm, patience_s)
