"""The CNN of the kitchen's comparison: a small ResNet that is taught to name what frames show, and then frozen.

    python -m clipsum.training.kitchen_cnn --corpus DIR --output FOLDER [--config FILE] [--set key=value]

It stands to the tiny CLIP as ResNet-152 stands to CLIP in the paper: the same training frames, the same changes to
them, and labels in place of captions. FOLDER is then an encoder, `timm:FOLDER`. The ablation of the toy kitchen is

    clipsum kitchen --output kitchen --videos 3900 --split-ood
    python -m clipsum.training.kitchen_cnn --corpus kitchen --output kitchen-cnn
    clipsum convert --bart kitchen-tiny --encoder timm:kitchen-cnn --output base-cnn
    clipsum embed kitchen/*/manifest.jsonl --bundle kitchen-tiny --output emb-clip --set keep_pixels=true
    clipsum embed kitchen/*/manifest.jsonl --bundle base-cnn --output emb-cnn
    clipsum ablate kitchen --output ablation

The pixels are for the row of the fine-tuned CLIP. B frames of a batch, D width of the pooled features.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from clipsum.config import Config, Preprocessing, load
from clipsum.datasets.kitchen.vocabulary import SLOTS, VALUES, Slot
from clipsum.encoders.timm_files import write_timm
from clipsum.errors import UsageError
from clipsum.training.augment import augment, normalised
from clipsum.training.frames import FrameSet, read_frames, shuffled_rows
from clipsum.training.loop import weight_groups
from clipsum.training.tiny_clip import TAUGHT_FILE

ARCHITECTURE = "resnet18"


class KitchenCnnConfig(Config):
    """Sizes of the CNN and how it is taught. `slots`: what it has to name, each by a head of its own."""

    image_size: int = Field(default=64, ge=32, multiple_of=32)
    blocks: tuple[int, int, int, int] = (1, 1, 1, 1)
    channels: tuple[int, int, int, int] = (32, 64, 128, 256)
    slots: tuple[Slot, ...] = Field(default=SLOTS, min_length=1)
    frames_a_video: int = Field(default=20, ge=1)
    batch: int = Field(default=256, ge=2)
    steps: int = Field(default=600, ge=4)
    warmup_steps: int = Field(default=100, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _schedule(self) -> "KitchenCnnConfig":
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps={self.warmup_steps} is not less than steps={self.steps}")
        return self

    @property
    def preprocessing(self) -> Preprocessing:
        """From a picture to the CNN's input."""
        return Preprocessing(size_px=self.image_size)

    @property
    def model_args(self) -> dict[str, Any]:
        """What makes the model, beside its name, in timm's own words."""
        return {"layers": list(self.blocks), "channels": list(self.channels), "stem_width": self.channels[0]}


class Namer(nn.Module):
    """The CNN under one linear head for each slot; only the CNN is kept."""

    def __init__(self, config: KitchenCnnConfig) -> None:
        super().__init__()
        self.cnn = timm.create_model(ARCHITECTURE, pretrained=False, num_classes=0, **config.model_args)
        self.heads = nn.ModuleDict({slot: nn.Linear(config.channels[-1], len(VALUES[slot])) for slot in config.slots})

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Normalised frames (B, 3, S, S) -> slot -> logits (B, values of the slot)."""
        features = self.cnn(pixels)
        return {slot: head(features) for slot, head in self.heads.items()}


@dataclass(frozen=True)
class KitchenCnn:
    """A taught CNN with what is needed to save it."""

    model: Namer
    config: KitchenCnnConfig
    video_ids: tuple[str, ...]


def train_cnn(frames: FrameSet, config: KitchenCnnConfig, log: Callable[[str], None] = print) -> KitchenCnn:
    """Teach a CNN from nothing: a function of its arguments, to the bit on one CPU thread."""
    torch.manual_seed(config.seed)
    model = Namer(config).to(memory_format=torch.channels_last)
    labels = _labels(frames, config.slots)
    optimizer = torch.optim.AdamW(weight_groups(model, config.weight_decay), betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, config.steps, pct_start=config.warmup_steps / config.steps
    )
    generator, average = torch.Generator().manual_seed(config.seed), 0.0
    for step, rows in enumerate(shuffled_rows(len(frames.step_of), config.batch, config.steps, config.seed)):
        pixels = augment(torch.from_numpy(frames.pixels[rows]), generator)
        loss = _loss(model, pixels, {slot: given[torch.from_numpy(rows)] for slot, given in labels.items()})
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average = loss.item() if step == 0 else 0.98 * average + 0.02 * loss.item()
        if (step + 1) % 100 == 0:
            log(f"CNN step {step + 1}/{config.steps} loss {average:.3f}")
    return KitchenCnn(model.eval(), config, frames.video_ids)


def named_right(cnn: KitchenCnn, frames: FrameSet, batch: int = 256) -> dict[str, float]:
    """Slot -> percent of the frames in which the CNN names it rightly."""
    labels = _labels(frames, cnn.config.slots)
    right = dict.fromkeys(labels, 0)
    for start in range(0, len(frames.pixels), batch):
        pixels = normalised(torch.from_numpy(frames.pixels[start : start + batch]))
        with torch.inference_mode():
            logits = cnn.model(pixels)
        for slot, given in labels.items():
            right[slot] += int((logits[slot].argmax(dim=1) == given[start : start + batch]).sum())
    return {slot: 100 * count / len(frames.pixels) for slot, count in right.items()}


def save_cnn(cnn: KitchenCnn, folder: Path, reached: Mapping[str, float] | None = None) -> None:
    """Write a folder in timm's hub layout, and which videos it was taught from; `reached`: as of `named_right`."""
    write_timm(folder, cnn.model.cnn, ARCHITECTURE, cnn.config.preprocessing, cnn.config.model_args)
    taught = {
        "split": "train",
        "configuration": cnn.config.model_dump(),
        "named_right_percent": {slot: round(value, 2) for slot, value in (reached or {}).items()},
        "videos": list(cnn.video_ids),
    }
    (folder / TAUGHT_FILE).write_text(json.dumps(taught) + "\n")


def main(words: Sequence[str] | None = None) -> None:
    """Teach a CNN from the training split of a corpus, and tell how it names what the validation split shows."""
    parser = argparse.ArgumentParser(prog="python -m clipsum.training.kitchen_cnn", description=main.__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="what clipsum kitchen wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder of the encoder, timm:FOLDER")
    parser.add_argument("--config", help="TOML file with keys of KitchenCnnConfig")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one key of KitchenCnnConfig")
    given = parser.parse_args(words)
    torch.set_num_threads(1)  # the sums of several threads are not the same to the bit
    try:
        teach(given.corpus, given.output, load(KitchenCnnConfig, given.config, given.set))
    except UsageError as error:
        parser.error(str(error))


def teach(corpus: Path, output: Path, config: KitchenCnnConfig) -> None:
    """Teach, judge by the validation split, and write the folder. Raises: UsageError."""
    splits = (corpus / split / "manifest.jsonl" for split in ("train", "validation"))
    train, validation = (read_frames(place, config.frames_a_video, config.preprocessing) for place in splits)
    cnn = train_cnn(train, config, _say)
    reached = named_right(cnn, validation)
    save_cnn(cnn, output, reached)
    told = ", ".join(f"{slot} {value:.1f} %" for slot, value in reached.items())
    _say(f"timm:{output} names in frames of the validation split: {told}")


def _labels(frames: FrameSet, slots: Sequence[Slot]) -> dict[str, Tensor]:
    """Slot -> the number of the value that each frame shows, (N,)."""
    found = {}
    for slot in slots:
        of_step = torch.tensor([VALUES[slot].index(step.value(slot)) for step in frames.steps])
        found[str(slot)] = of_step[torch.from_numpy(frames.step_of)]
    return found


def _loss(model: Namer, pixels: Tensor, labels: Mapping[str, Tensor]) -> Tensor:
    """The mean cross-entropy over the heads."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(pixels.contiguous(memory_format=torch.channels_last))
    return torch.stack([functional.cross_entropy(logits[slot].float(), given) for slot, given in labels.items()]).mean()


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
