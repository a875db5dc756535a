"""A grid of configurations to compare: what `clipsum ablate` reads. `rows` has the rows that it stands for.

    seeds = [0, 1, 2]
    split = "test"
    reference = "CLIP/global/concat/both"     # what every row is compared with
    temporal = ["none", "global", "local"]
    fusion = ["concat", "gated"]
    sees = ["text", "both"]

    [base]                                    # keys of a training configuration, on top of a recipe
    recipe = "clipsum"

    [[encoders]]
    name = "CLIP"
    data = "emb-clip"                         # what clipsum embed wrote
    bundle = "base-clip"                      # with this bundle

    [[rows]]                                  # beside the product of the lists: any difference to `base`
    label = "slow"
    set = {optimizer.learning_rate = 1e-5}

Paths are seen from the working folder. A row of the product is named by its encoder and its values, as `reference` is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from clipsum.config import DEFAULT_BUNDLE, Config, load
from clipsum.errors import one_of
from clipsum.models.config import FusionName
from clipsum.training.config import Sees, TrainConfig
from clipsum.training.finetune import EncoderFinetune
from clipsum.training.recipes import DEFAULT_RECIPE, recipe
from clipsum.training.splits import check_splits

Temporal = Literal["none", "global", "local"]


class Encoder(Config):
    """An encoder of the comparison: a folder of embeddings, and the base bundle that they were made with.

    `finetune`: the encoder learns too: `true`, or keys of the training's `encoder_finetune`; the folder then needs
    pixels (`clipsum embed --set keep_pixels=true`).
    """

    name: str = Field(min_length=1)
    data: str
    bundle: str = DEFAULT_BUNDLE
    finetune: EncoderFinetune = EncoderFinetune()

    @property
    def label(self) -> str:
        """The word by which rows and `only` name it."""
        return f"{self.name} fine-tuned" if self.finetune.layers else self.name


class Only(Config):
    """A part of the product; None: all of a list."""

    encoder: tuple[str, ...] | None = None
    temporal: tuple[Temporal, ...] | None = None
    fusion: tuple[FusionName, ...] | None = None
    sees: tuple[Sees, ...] | None = None


class ExplicitRow(Config):
    """A row of its own: `set` is its difference to `base`; `encoder` None is the first."""

    label: str = Field(min_length=1)
    encoder: str | None = None
    set: dict[str, Any] = Field(default_factory=dict)


class Base(TrainConfig):
    """What all rows have in common: a recipe, and what differs from it."""

    recipe: str = DEFAULT_RECIPE
    train_split: str = "train"
    validation_split: str = "validation"

    @model_validator(mode="after")
    def _splits(self) -> "Base":
        check_splits(self.train_split, self.validation_split)
        return self

    @property
    def training(self) -> TrainConfig:
        """The part that the training core knows."""
        return TrainConfig(**{name: getattr(self, name) for name in TrainConfig.model_fields})


class Grid(Config):
    """An ablation. A list that is left out is as `base` has it; without any list there are only the `rows`.

    `only`: of the product of the lists, what fits one of these; all where there are none. `split` is what is scored
    and compared, `also` are further splits that get a table; neither chooses anything.
    `gpus_per_cell`: None takes one where the cluster has any. `shared_files`: every machine of the cluster sees the
    same local paths. `keep_bundles`: each cell leaves its bundle.
    """

    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0, 1, 2), min_length=1)
    split: str = "test"
    also: tuple[str, ...] = ()
    reference: str | None = None
    temporal: tuple[Temporal, ...] = ()
    fusion: tuple[FusionName, ...] = ()
    sees: tuple[Sees, ...] = ()
    base: Base = Base()
    encoders: tuple[Encoder, ...] = Field(min_length=1)
    only: tuple[Only, ...] = ()
    rows: tuple[ExplicitRow, ...] = ()
    keep_bundles: bool = False
    gpus_per_cell: float | None = Field(default=None, ge=0)
    shared_files: bool = False

    @property
    def splits(self) -> tuple[str, ...]:
        """All that are scored."""
        return tuple(dict.fromkeys((self.split, *self.also)))

    @model_validator(mode="after")
    def _consistent(self) -> "Grid":
        for split in self.splits:
            if split in (self.base.train_split, self.base.validation_split):
                raise ValueError(f"split '{split}' is trained on, or chooses the best: score another one")
        for what, values in (("seeds", self.seeds), ("encoders", [each.label for each in self.encoders])):
            if len(set(values)) < len(values):
                raise ValueError(f"{what} has the same twice: {', '.join(map(str, values))}")
        return self


def read_grid(name: str, overrides: Sequence[str] = ()) -> Grid:
    """The grid in a TOML file, or one that comes with the package, by name, changed by `key=value` words.

    Raises: UsageError, one line.
    """
    shipped = {path.stem: path for path in Path(__file__).parent.glob("*.toml")}
    path = Path(name) if Path(name).is_file() else shipped.get(name)
    if path is None:
        raise one_of(name, [*sorted(shipped), "a TOML file"], "grid")
    first = load(Grid, str(path), overrides)
    chosen = Base(recipe=first.base.recipe, **dict(recipe(first.base.recipe)))
    return load(Grid, str(path), overrides, base=first.model_copy(update={"base": chosen}))
