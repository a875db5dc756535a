"""The first look of an ablation at data and bundles: whether all of its rows fit, before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipsum import storage
from clipsum.ablation.grid import Encoder, Grid
from clipsum.ablation.rows import Row
from clipsum.datasets.embedded import open_embedded
from clipsum.errors import UsageError
from clipsum.models.bundle import Bundle, load_bundle
from clipsum.training.build import model_config
from clipsum.training.examples import without_pixels
from clipsum.training.sources import TrainData, check_data, identity
from clipsum.training.workers import SOLO
from ray_jobs.train_config import TrainJob
from ray_jobs.train_data import choose, left_out, splits_of


@dataclass(frozen=True)
class Looked:
    """What a first look at an encoder's data found: where all of it lies for every machine, and what it is.

    `left_out`: lines for people about videos that are not there.
    """

    data: str
    bundle: str
    bundle_id: str
    identity: str
    left_out: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.data} ({self.identity}), bundle {Path(self.bundle).name} {self.bundle_id}"


def look(encoder: Encoder, rows: Sequence[Row], grid: Grid) -> Looked:
    """Check that an encoder's data, its bundle and all of its rows fit. Raises: UsageError, naming what does not."""
    bundle = load_bundle(encoder.bundle)
    place = storage.canonical(encoder.data)
    data = open_embedded(place, thumbnails=False)
    job = job_of(grid, rows[0], 0)
    train, validation = splits_of(data, job)
    given = TrainData(train, validation)
    scored = {split: data.of_split(split) for split in grid.splits}
    for split, videos in scored.items():
        if not videos.sizes().summary.any():
            raise UsageError(f"'{place}': no video of split '{split}' has a summary to be scored against")
        if any(row.config.encoder_finetune.layers for row in rows) and (bare := videos.without_pixels):
            raise without_pixels(f"{len(bare)} of {len(videos)} videos of split '{split}' have none")
    for row in rows:
        width = check_data(row.config, bundle, given, SOLO)
        _check_model(row, bundle, width)
    whole = ", ".join([identity(given), *(f"{len(videos)} of {split}" for split, videos in scored.items())])
    missing = left_out(data, [*choose(place, data.splits, job), *grid.splits])
    return Looked(place, bundle.name_elsewhere(encoder.bundle), bundle.bundle_id, whole, missing)


def _check_model(row: Row, bundle: Bundle, width: int) -> None:
    try:
        model = model_config(bundle.manifest.model, row.config.model, row.config.sees, width)
    except UsageError as error:
        raise UsageError(f"row '{row.label}': {error}") from error
    if row.config.model.attention and not model.temporal_layers:
        raise UsageError(
            f"row '{row.label}' wants attention over time, and bundle '{row.encoder.bundle}' has no temporal encoder: "
            "say how large with --set base.model.temporal_layers=2"
        )


def job_of(grid: Grid, row: Row, seed: int) -> TrainJob:
    """The training of a row from a seed."""
    splits = {"train_split": grid.base.train_split, "validation_split": grid.base.validation_split}
    return TrainJob(**{**dict(row.config), "seed": seed, **splits})
