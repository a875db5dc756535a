"""The main job on Ray Data: manifest -> decode actors -> encode actors -> summarize actors -> results, as they come.

Retries: an actor that dies is started again and its block is given to another, `MAX_TASK_RETRIES` times; what one
video provokes never gets here, for the stages make it a row. Bound: Ray Data holds back a stage whose results are not
taken, so at most a few blocks per actor are in the object store.
"""

import logging
import warnings
from collections.abc import Generator, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import ray
import ray.data
from numpy.typing import NDArray
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.exceptions import RayTaskError
from ray.util.annotations import RayDeprecationWarning

from clipsum.config import Limits
from clipsum.errors import UsageError
from ray_jobs import manifest
from ray_jobs.actors import Decode, DecodeAndEncode, Encode, StageActor, Summarize
from ray_jobs.manifest import Listed
from ray_jobs.pools import ActorPool, Plan
from ray_jobs.stages import StageSettings

MAX_TASK_RETRIES = 5
MAX_INIT_DEATHS = 2
START_TIMEOUT_S = 600
IDLE_BELOW = 0.25
"""Tasks per actor below which a pool shrinks; at Ray Data's own 0.5 pools of two end an actor and start it again."""


def run(
    listed: Listed, todo: NDArray[np.bool_], settings: StageSettings, plan: Plan, no_progress_timeout_s: float | None
) -> Generator[pa.Table, None, None]:
    """Do the rows of the manifest that are `todo`; yields tables of `model_stages.RESULT_SCHEMA` in any order.

    Closing the iterator stops the job. Raises: UsageError of a stage (a bundle whose weights are others than it says),
    and what else is raised outside of an item.
    """
    timeout_s = no_progress_timeout_s or patience_s(settings.limits, plan)
    _configure(timeout_s)
    batches = _dataset(listed, todo, settings, plan).iter_batches(
        batch_size=None, batch_format="pyarrow", prefetch_batches=0
    )
    try:
        yield from batches
    except RayTaskError as error:
        if isinstance(error.cause, UsageError):
            raise error.cause from error
        raise


def patience_s(limits: Limits, plan: Plan) -> float:
    """How long nothing may come out of a stage: a block in which every video runs into its deadline, twice."""
    return max(1800.0, 2 * plan.decode_batch * limits.deadline_s + START_TIMEOUT_S)


def _configure(no_progress_timeout_s: float) -> None:
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True
    context.autoscaling_config.actor_pool_util_downscaling_threshold = IDLE_BELOW
    context.wait_for_min_actors_s = START_TIMEOUT_S
    context.max_consecutive_actor_init_deaths = MAX_INIT_DEATHS
    context.execution_no_progress_timeout_s = no_progress_timeout_s
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _dataset(listed: Listed, todo: NDArray[np.bool_], settings: StageSettings, plan: Plan) -> Dataset:
    # One task reads the whole manifest file by file: its output is held back, where many such would all reserve a core.
    source = ray.data.from_items([{"run": 0}])
    read = partial(_read_manifest, listed=listed, todo=np.packbits(todo))
    dataset = source.map_batches(read, batch_size=1, batch_format="pyarrow")
    dataset = dataset.repartition(target_num_rows_per_block=plan.decode_batch)
    if plan.fused:
        dataset = _stage(dataset, DecodeAndEncode, settings, plan.encode, plan.decode_batch)
    else:
        dataset = _stage(dataset, Decode, settings, plan.decode, plan.decode_batch)
        dataset = _stage(dataset, Encode, settings, plan.encode, plan.encode_batch)
    return _stage(dataset, Summarize, settings, plan.summarize, plan.summarize_batch)


def _stage(dataset: Dataset, stage: type[StageActor], settings: StageSettings, pool: ActorPool, videos: int) -> Dataset:
    with warnings.catch_warnings():
        # bounded retries have no named parameter yet, and without them a block that kills its actor goes on for ever
        warnings.simplefilter("ignore", RayDeprecationWarning)
        return dataset.map_batches(
            stage,
            fn_constructor_args=(settings,),
            batch_size=videos,
            batch_format="pyarrow",
            zero_copy_batch=True,
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
            memory=pool.memory_bytes,
            max_task_retries=MAX_TASK_RETRIES,
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
