"""S8: our training step, batches grouped by length, against Hugging Face's `Seq2SeqTrainer` padding to the maximum.

Both train the same model (BART-base's vocabulary and, on a GPU, its size; on a processor a quarter of its width) from
the same weights on the same examples, an epoch a turn, in batches of the same size. Lengths are log-normal: texts of
200 tokens and summaries of 50 in the median, cut at the paper's 512 and 128; 50 frames each. Needs the `bench` extra.
"""

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)

from clipsum.bench.lines import Line, at_least, cpu_clock
from clipsum.models.batch import IGNORED_LABEL, Item, collate
from clipsum.models.config import ModelConfig
from clipsum.models.summarizer import ClipSum
from clipsum.training.config import OptimizerConfig, TrainConfig
from clipsum.training.feed import StoredFeed
from clipsum.training.loop import Rule, update
from clipsum.training.modalities import NO_AUGMENTATION
from clipsum.training.optimizer import build_optimizer
from clipsum.training.workers import SOLO

TEXT, SUMMARY, FRAMES, PAD = 512, 128, 50, 1
LIMIT = 1.3
_OPTIMIZER = OptimizerConfig(learning_rate=3e-5)


@dataclass(frozen=True)
class Toy:
    """Examples of drawn lengths and random contents, as `StoredFeed` and a PyTorch `DataLoader` take them."""

    items: Sequence[Item]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Tokens of text and summary."""
        return np.array([len(item.input_ids) + len(item.labels or ()) for item in self.items])

    def draw(self, index: int, rng: np.random.Generator) -> Item:
        """Example `index` as it is."""
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]


def training_line(rounds: int, batches: int = 4, batch_size: int = 8) -> Line:
    """S8 on the GPU where there is one, else on the processor: medians of `rounds` epochs of each way, in turn.

    Time is that of the wall on a GPU, and processor seconds else.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    clock = _gpu_clock if device == "cuda" else cpu_clock
    model, toy = _model(256 if device == "cpu" else 768).to(device), _toy(batches * batch_size)
    ways: dict[str, Callable[[], float]] = {
        "ours": lambda: ours(deepcopy(model), toy, batch_size, device, clock),
        "theirs": lambda: theirs(deepcopy(model), toy, batch_size, clock),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):  # the first warms up
        for name, way in ways.items():
            seconds = way() / batches
            if turn:
                taken[name].append(seconds)
    own, other = (median(taken[name]) for name in ways)
    unit = "s" if device == "cuda" else "CPU s"
    return at_least(
        "S8",
        f"training step of {batch_size} on {device}",
        f"by length {own:.3f} {unit}",
        f"Seq2SeqTrainer, padded to {TEXT} and {SUMMARY} tokens, {other:.3f} {unit}",
        other / own,
        LIMIT,
    )


def ours(model: ClipSum, toy: Toy, batch_size: int, device: str, clock: Callable[[], float]) -> float:
    """Seconds of one epoch by the parts that `Trainer` is made of."""
    config = TrainConfig(batch_size=batch_size, augmentation=NO_AUGMENTATION, optimizer=_OPTIMIZER)
    feed, optimizer = StoredFeed(toy, config, SOLO), build_optimizer(model, _OPTIMIZER)
    start = clock()
    for place in range(feed.steps_per_epoch):
        share = feed.share(0, place)
        assert share is not None
        micro_batches = [collate(items, PAD, device) for items in share.micro_batches]
        update(model, optimizer, micro_batches, share.tokens, _OPTIMIZER.learning_rate, Rule(1.0), place)
    return clock() - start


def theirs(model: ClipSum, toy: Toy, batch_size: int, clock: Callable[[], float]) -> float:
    """Seconds of one epoch by `Seq2SeqTrainer`, its start and end left out."""
    watch = _Watch(clock)
    with TemporaryDirectory(prefix="clipsum-bench-") as scratch:
        arguments = Seq2SeqTrainingArguments(
            output_dir=scratch,
            per_device_train_batch_size=batch_size,
            num_train_epochs=1,
            learning_rate=_OPTIMIZER.learning_rate,
            max_grad_norm=1.0,
            optim="adamw_torch",
            remove_unused_columns=False,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = Seq2SeqTrainer(
            model=_Loss(model),
            args=arguments,
            train_dataset=toy,
            data_collator=pad_to_the_maximum,
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return watch.seconds


def pad_to_the_maximum(items: Sequence[Item]) -> dict[str, Tensor]:
    """A batch as `collate` makes it, then padded to the longest that the model takes."""
    batch = collate(items, PAD)
    wanted = {"input_ids": (TEXT, PAD), "text_mask": (TEXT, False), "labels": (SUMMARY, IGNORED_LABEL)}
    for name, (length, value) in wanted.items():
        batch[name] = nn.functional.pad(batch[name], (0, length - batch[name].shape[1]), value=value)
    return batch


class _Loss(nn.Module):
    """What `Seq2SeqTrainer` trains: only the loss leaves it."""

    def __init__(self, model: ClipSum) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: Tensor,
        text_mask: Tensor,
        frames: Tensor,
        positions: Tensor,
        frame_mask: Tensor,
        labels: Tensor,
    ) -> dict[str, Tensor]:
        return {"loss": self.model(input_ids, text_mask, frames, positions, frame_mask, labels=labels).loss}


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Times the steps."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.seconds = clock, 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.seconds = -self.clock()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.seconds += self.clock()


def _gpu_clock() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def _model(width: int) -> ClipSum:
    torch.manual_seed(0)
    layers = 6 if width == 768 else 3
    heads, ffn = width // 64, 4 * width
    sizes = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in (
        ("layers", layers), ("attention_heads", heads), ("ffn_dim", ffn)
    )}  # fmt: skip
    bart = BartForConditionalGeneration(BartConfig(d_model=width, **sizes))
    return ClipSum(ModelConfig(), bart)


def _toy(count: int) -> Toy:
    rng = np.random.default_rng(0)

    def tokens(middle: int, spread: float, longest: int) -> list[int]:
        length = int(np.clip(rng.lognormal(np.log(middle), spread), 8, longest))
        return [0, *rng.integers(4, 50_000, length - 2).tolist(), 2]

    relative = (np.arange(FRAMES) + 0.5) / FRAMES
    items = []
    for _ in range(count):
        vectors = rng.standard_normal((FRAMES, ModelConfig().visual_width), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        items.append(Item(tokens(200, 0.7, TEXT), vectors, relative, tokens(50, 0.4, SUMMARY)))
    return Toy(items)
