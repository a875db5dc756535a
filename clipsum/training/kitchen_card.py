"""The model card of `kitchen-tiny`, and what its CLIP reads off single frames."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.torch import load_file
from torch import nn

from clipsum.datasets.kitchen.corpus import MANIFEST
from clipsum.datasets.kitchen.language import caption
from clipsum.datasets.kitchen.vocabulary import SLOTS, VALUES, Slot
from clipsum.encoders.base import FrameEncoder
from clipsum.metrics.kitchen import CHANCE
from clipsum.metrics.rouge import PROTOCOL
from clipsum.training.frames import FrameSet, read_frames

_PARTS = {"validation": "validation", "ood": "out of distribution"}
FIGURES = {
    "hidden": "hidden slots right, %",
    "rouge_l": "ROUGE-L",
    "tau_shuffled": "Kendall τ of the steps where the narration is shuffled",
}
_MOMENTS = {
    "f1_query": "F1 of a query's seconds",
    "f1_generic": "the same by the score without a query",
    "f1_cosine": "the same by zero-shot CLIP",
    "match": "`matched` right (balanced)",
    "tau": "Kendall τ-b with each annotator",
}
_SYSTEMS = {"both": "kitchen-tiny", "text": "text only"}

_CARD = """# kitchen-tiny

A ClipSum bundle so small that it ships with the package: {megabytes:.1f} MB, a CLIP of {clip:,} parameters and a
temporal encoder, fusion, BART and scorer of {clipsum:,} together.

**Its one purpose** is to let every part of ClipSum run, be tested and be tried on a machine that reaches no model hub.
**It knows only the toy kitchen**: drawn shapes in short rendered videos ({values}) and the fixed sentences that are
spoken over them. Of any other video it writes kitchen sentences that mean nothing. Real videos need a bundle with a
real CLIP and a real BART.

## What it was trained on
{trained_on}; `make kitchen-tiny` makes it again. CLIP, tokenizers and augmentation saw that split alone.
**CLIP was taught the slots' names**: its captions name action, ingredient and tool of each frame, in another grammar
than the summaries. So the figures below say that what CLIP sees gets into the summary, not that CLIP could have learned
to see it from the web. ClipSum was trained for {steps:,} steps of {batch} videos, whose narrations were drawn anew each
time. What annotators marked and what was asked is simulated.

## What it reaches
One training seed, beam 5. "Text only" is the same model trained for the same number of steps without frames. No
recipe, and no triple of action, ingredient and tool, of these videos was in training; those out of distribution have
other palettes, cameras and speeds too. {protocol}.

{scores}

Frame scores, second by second. The scorer was trained last and alone, for as many steps; no other weight changed.

{moments}

Chance on a hidden slot: {chance}. Frames whose nearest caption names the right value:
{frames}.

## How it decodes
50 frames at uniform times, the key frames near them where there are any (`seek="auto"`), 64 px. Summaries repeat
trigrams by their nature ("of onion with the pan"), so generation does not forbid that.
"""


def slots_read(encoder: FrameEncoder, frames: FrameSet) -> dict[Slot, float]:
    """For each slot the percentage of frames whose nearest one-slot caption names the right value."""
    vectors = encoder.encode_frames(frames.pixels)
    found: dict[Slot, float] = {}
    for slot in SLOTS:
        captions = {step.value(slot): caption(step, (slot,)) for step in frames.steps}
        nearest = (vectors @ encoder.encode_text(list(captions.values())).T).argmax(axis=1)
        right = np.array([frames.steps[number].value(slot) for number in frames.step_of])
        found[slot] = float(100 * np.mean(np.array(list(captions))[nearest] == right))
    return found


def slots_told(encoder: FrameEncoder, corpus: Path, frames_a_video: int) -> dict[str, float]:
    """`{split}.clip.{slot}`: how often the nearest caption names the slot's value, in percent."""
    found: dict[str, float] = {}
    for split in _PARTS:
        frames = read_frames(corpus / split / MANIFEST, frames_a_video, encoder.preprocessing)
        found |= {f"{split}.clip.{slot}": round(share, 2) for slot, share in slots_read(encoder, frames).items()}
    return found


def card(metrics: Mapping[str, float], clip: Path, model: nn.Module, trained_on: str, steps: int, batch: int) -> str:
    """The model card as Markdown, from the metrics that the bundle carries; `clip`: the folder of its encoder."""
    weights = clip / "open_clip_model.safetensors"
    parameters = sum(weight.numel() for weight in model.parameters())
    return _CARD.format(
        megabytes=(weights.stat().st_size + 4 * parameters) / 1e6,  # as saved: CLIP in half precision, the rest single
        clip=sum(tensor.numel() for tensor in load_file(weights).values()),
        clipsum=parameters,
        values=", ".join(f"{len(VALUES[slot])} {slot}s" for slot in SLOTS),
        trained_on=trained_on[0].upper() + trained_on[1:],
        steps=steps,
        batch=batch,
        protocol=PROTOCOL,
        scores=_scores(metrics),
        moments=_moments(metrics),
        chance=", ".join(f"{slot} {100 * CHANCE[slot]:.1f} %" for slot in SLOTS),
        frames="; ".join(_frames_line(metrics, split, title) for split, title in _PARTS.items()),
    )


def _scores(metrics: Mapping[str, float]) -> str:
    lines = [["part", "model", *FIGURES.values()], ["---"] * (2 + len(FIGURES))]
    for split, title in _PARTS.items():
        for system, label in _SYSTEMS.items():
            lines.append([title, label, *(f"{metrics[f'{split}.{system}.{figure}']:.2f}" for figure in FIGURES)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _moments(metrics: Mapping[str, float]) -> str:
    head = ("part", *_MOMENTS.values(), "its ceiling: each annotator with the others' mean")
    lines = [head, ["---"] * len(head)]
    for split, title in _PARTS.items():
        found = {name: metrics[f"{split}.scorer.{name}"] for name in (*_MOMENTS, "ceiling")}
        lines.append([title, *(f"{found[name]:.3f}" for name in (*_MOMENTS, "ceiling"))])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _frames_line(metrics: Mapping[str, float], split: str, title: str) -> str:
    return f"{title} " + ", ".join(f"{slot} {metrics[f'{split}.clip.{slot}']:.1f} %" for slot in SLOTS)
