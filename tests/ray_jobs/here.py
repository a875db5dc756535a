"""Jobs over an archive without a Ray: their real stages, one after another in this process.

For tests of what is around the stages. It saves the start of an actor for each stage, with its libraries and its model.
"""

from contextlib import closing, contextmanager, nullcontext
from importlib import import_module

import numpy as np
import pyarrow as pa
import pytest

from ray_jobs import archive_run, pipeline, stream
from ray_jobs.pools import Machine


@contextmanager
def jobs_run_here():
    """In the block, what `archive_run` starts runs in this process, as on a machine with two cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_run, "connected", lambda *_: nullcontext(Machine(2)))
        patch.setattr(pipeline, "run", _run)
        yield


@contextmanager
def streams_run_here():
    """In the block, so do the stages of a stream of videos to train from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "training_rows", _through)
        patch.setattr(pipeline, "results", lambda tables: tables)
        yield


def _run(listed, todo, settings, steps, _):
    """As `pipeline.run`, with the blocks of the first stage all the way through."""
    return _through(pa.concat_tables(pipeline._read_manifest(None, listed, np.packbits(todo))), settings, steps)


def _through(rows, settings, steps):
    stages = [getattr(import_module(step.stage.module), step.stage.name)(settings) for step in steps]
    with closing(stages[0]):
        for first in range(0, rows.num_rows, steps[0].videos):
            table = rows.slice(first, steps[0].videos)
            for stage in stages:
                table = stage(table)
            yield table
