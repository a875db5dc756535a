"""A checkpoint: a folder that is a bundle, and two files beside it with what only training needs. No pickle.

optimizer.safetensors   the optimizer's state, and adapters, by the names of weights
state.json              where the run stands, of which configuration, base and data; written last: with it the
                        checkpoint is whole
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from clipsum.errors import UsageError
from clipsum.models.config import TextOrigin
from clipsum.training.config import TrainConfig
from clipsum.training.recorded import check_recorded

STATE, OPTIMIZER = "state.json", "optimizer.safetensors"
SCHEMA_VERSION = 1
FREE = frozenset({"micro_batch_size", "parallel", "checkpoint_every_steps"})
"""Fields of `TrainConfig` that may differ when a run goes on: they move no result by more than rounding."""


@dataclass
class Progress:
    """Where a run stands: `step` steps done, the next one is number `place` of `epoch`.

    `validated`: the step of the last validation; `metrics`: what it gave; `best`: the best value of the configured
    metric, at step `best_step`, with `best_loss`; `since_best`: how many validations brought no better value;
    `stopped`: patience came to its end. `origins`: where the texts were from that guided the scorer so far.
    """

    step: int = 0
    epoch: int = 0
    place: int = 0
    validated: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    best: float | None = None
    best_step: int = 0
    best_loss: float | None = None
    since_best: int = 0
    stopped: bool = False
    origins: list[TextOrigin] = field(default_factory=list)


@dataclass(frozen=True)
class Origin:
    """What a run is of. A checkpoint goes on only in a run of the same."""

    config: TrainConfig
    base: str
    data: str

    def as_json(self) -> dict[str, Any]:
        """For `state.json`."""
        return {"config": self.config.model_dump(mode="json"), "base": self.base, "data": self.data}


def write_state(folder: Path, tensors: Mapping[str, Tensor], progress: Progress, origin: Origin) -> None:
    """Write both files; the bundle is there already."""
    save_file(dict(tensors), folder / OPTIMIZER)
    _to_disk(folder / OPTIMIZER)
    state = {"schema_version": SCHEMA_VERSION, "progress": asdict(progress), **origin.as_json()}
    part = folder / f"{STATE}.part"
    part.write_text(json.dumps(state, indent=1) + "\n")
    _to_disk(part)
    part.rename(folder / STATE)


def _to_disk(path: Path) -> None:
    """Past all caches: a machine that loses power must not keep a `state.json` whose tensors are cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def read_progress(folder: Path, origin: Origin) -> Progress:
    """Where the run of a checkpoint stands.

    Raises: UsageError, one line, where it is not whole, or of another configuration, base or data.
    """
    try:
        state = json.loads((folder / STATE).read_text())
    except FileNotFoundError:
        raise UsageError(f"'{folder}' is no whole checkpoint: it has no {STATE}; take an earlier one") from None
    if state.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"checkpoint '{folder}' has schema version {state.get('schema_version')}, this ClipSum reads "
            f"{SCHEMA_VERSION}: go on with the version that wrote it"
        )
    theirs = {**state["config"], "base": state["base"], "data": state["data"]}
    mine = {**origin.config.model_dump(mode="json"), "base": origin.base, "data": origin.data}
    check_recorded(str(folder), theirs, mine, TrainConfig, "go on as it began, or train into another folder", FREE)
    return Progress(**state["progress"])


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """What `write_state` put into `optimizer.safetensors`."""
    return dict(load_file(folder / OPTIMIZER))
