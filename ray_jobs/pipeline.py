"""A job over an archive on Ray Data: manifest -> the job's stages, each a pool of actors -> results, as they come.

Retries: an actor that dies is started again and so is its block, as often as it takes to tell which video of it takes
actors down (see `actors`); what else a video provokes never gets here, for the stages make it a row. Bound: Ray Data
holds back a stage whose results are not taken, so at most a few blocks per actor are in the object store.
"""

import logging
import warnings
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
from numpy.typing import NDArray
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.data.exceptions import ExecutionTimeoutError
from ray.exceptions import RayTaskError
from ray.util.annotations import RayDeprecationWarning

from clipsum.config import Limits
from clipsum.errors import ItemError, RunError, UsageError
from ray_jobs import manifest
from ray_jobs.actors import MAX_DEATHS, Casualties, StageActor
from ray_jobs.jobs import Step
from ray_jobs.manifest import Listed
from ray_jobs.stages import StageSettings

MAX_TASK_RETRIES = 5
MAX_INIT_DEATHS = 2
START_S = 600
"""What actors may take to start. All pools start at once: each has libraries and a model to load."""
IDLE_BELOW = 0.25
"""Tasks per actor below which a pool shrinks; at Ray Data's own 0.5 pools of two end an actor and start it again."""


def run(
    listed: Listed,
    todo: NDArray[np.bool_],
    settings: StageSettings,
    steps: Sequence[Step],
    no_progress_timeout_s: float | None,
    warm_first: bool = False,
) -> Generator[pa.Table, None, None]:
    """Do the rows of the manifest that are `todo`; yields tables of what the last step gives, in any order.

    Closing the iterator stops the job. `warm_first`: no video is begun before every pool has its actors, which start
    one pool after the other then. Raises: as `results`.
    """
    configure(no_progress_timeout_s or patience_s(settings.limits, steps), START_S if warm_first else -1)
    rows = _manifest_rows(listed, todo).repartition(target_num_rows_per_block=steps[0].videos)
    casualties = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Casualties).remote()
    yield from results(through(rows, settings, steps, casualties))


def results(dataset: Dataset) -> Generator[pa.Table, None, None]:
    """What comes out of the last stage, block by block. Closing the iterator stops the job.

    Raises: UsageError of a stage (a bundle whose weights are others than it says), ItemError where the manifest cannot
    be read, RunError where nothing goes on for too long, and what else is raised outside of an item.
    """
    batches = dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    try:
        yield from batches
    except ExecutionTimeoutError as error:
        raise RunError(
            "nothing has gone on for as long as no_progress_timeout_s: the cluster may have no room for the actors of "
            f"every stage, or an actor is stuck ({str(error).partition('.')[0]})"
        ) from error
    except RayTaskError as error:
        if isinstance(error.cause, UsageError | ItemError):
            raise error.cause from error
        raise


def patience_s(limits: Limits, steps: Sequence[Step]) -> float:
    """How long nothing may come out of a stage: a block in which every video runs into its deadline, twice."""
    return max(1800.0, 2 * steps[0].videos * limits.deadline_s + START_S)


def configure(no_progress_timeout_s: float, wait_for_actors_s: int = -1) -> None:
    """Set what datasets are made with in this process from now on.

    By default nothing waits for actors: a wait for the first pool would hold up the start of the next.
    """
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True
    context.autoscaling_config.actor_pool_util_downscaling_threshold = IDLE_BELOW
    context.wait_for_min_actors_s = wait_for_actors_s
    context.max_consecutive_actor_init_deaths = MAX_INIT_DEATHS
    context.execution_no_progress_timeout_s = no_progress_timeout_s
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _manifest_rows(listed: Listed, todo: NDArray[np.bool_]) -> Dataset:
    # One task reads the whole manifest file by file: its output is held back, where many such would all reserve a core.
    source = ray.data.from_items([{"run": 0}])
    read = partial(_read_manifest, listed=listed, todo=np.packbits(todo))
    return source.map_batches(read, batch_size=1, batch_format="pyarrow")


def through(dataset: Dataset, settings: StageSettings, steps: Sequence[Step], casualties: Any = None) -> Dataset:
    """Manifest rows, in blocks of as many as the first stage takes, through every stage of a job.

    `casualties`: the actor of that class; without one, a video that takes actors down ends the job.
    """
    for step in steps:
        dataset = _stage(dataset, settings, step, casualties)
    return dataset


def _stage(dataset: Dataset, settings: StageSettings, step: Step, casualties: Any) -> Dataset:
    pool = step.pool
    # a block whose every video takes actors down, and that often again a block that waited for the same actor
    retries = 2 * (1 + MAX_DEATHS * step.videos) if casualties else MAX_TASK_RETRIES
    with warnings.catch_warnings():
        # bounded retries have no named parameter yet, and without them a block that kills its actor goes on for ever
        warnings.simplefilter("ignore", RayDeprecationWarning)
        return dataset.map_batches(
            StageActor,
            fn_constructor_args=(step.stage, settings, casualties),
            batch_size=step.videos,
            batch_format="pyarrow",
            zero_copy_batch=True,
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
            memory=pool.memory_bytes,
            max_task_retries=retries,
            compute=ActorPoolStrategy(
                min_size=pool.min_actors, max_size=pool.max_actors, initial_size=pool.initial_actors
            ),
        )


def _read_manifest(_: pa.Table, listed: Listed, todo: NDArray[np.uint8]) -> Iterator[pa.Table]:
    """The rows that are to do, one manifest file at a time."""
    chosen = np.unpackbits(todo, count=listed.videos).astype(np.bool_)
    for number in range(listed.files):
        table = manifest.read(listed, number)
        first = number * listed.file_rows
        yield table.filter(pa.array(chosen[first : first + table.num_rows]))
