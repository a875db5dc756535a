"""Q1 to Q5 and Q7 on the kitchen corpus: train every condition from several seeds, score the test splits once.

    python -m clipsum.training.quality [--output DIR] [--corpus DIR] [--bundle NAME]

Renders and embeds what is missing of the corpus, with the frozen encoder of a bundle; then about 80 CPU minutes of
training, and tables. Embeddings, weights, summaries and figures of frame scores are kept in the output folder, each
written whole; a second start goes on with what is missing. Nothing is chosen by what the test splits say.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from safetensors.torch import load_model, save_model

from clipsum.config import DEFAULT_BUNDLE
from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from clipsum.models.guidance import TextEncoder
from clipsum.training.highlight_figures import highlight_figures
from clipsum.training.highlight_quality import SCORED, baselines, score_parts
from clipsum.training.highlight_table import highlights_markdown
from clipsum.training.kitchen_data import FrameSet, Reader, Sees
from clipsum.training.kitchen_recipe import (
    LONGEST,
    KitchenRecipe,
    Trained,
    check_origin,
    kitchen_tokenizer,
    new_model,
    origin_of,
    train_kitchen,
    write_summaries,
)
from clipsum.training.loop import StepReport
from clipsum.training.quality_conditions import CONDITIONS, HEADLINE, OF_HIGHLIGHTS, OF_SUMMARIES
from clipsum.training.quality_figures import figures
from clipsum.training.quality_parts import PARTS, Part, make_parts, mismatched
from clipsum.training.quality_table import markdown

Texts = dict[str, str]  # video_id → summary


def train_or_load(
    name: str,
    seed: int,
    parts: Mapping[str, Part],
    recipe: KitchenRecipe,
    folder: Path,
    encoder: TextEncoder | None = None,
) -> Trained:
    """The model of a condition and seed: from its weights in `folder`, else trained and put there.

    `encoder`: that of the frames, where a scorer learns.
    Raises: UsageError where the weights there come from another recipe or other embeddings.
    """
    condition, train, path = CONDITIONS[name], parts["train"], weights_file(folder, name, seed)
    chosen = condition.recipe(recipe, seed)
    origin = origin_of(chosen, train.one.fingerprint)
    if not path.exists():
        progress = _progress(f"{name}-{seed}")
        trained = train_kitchen(train.videos, train.frames, chosen, condition.sees, progress, encoder)
        save_model(trained.model, str(path.with_suffix(".part")), metadata=origin)
        path.with_suffix(".part").rename(path)
        return trained
    with safe_open(path, framework="pt") as stored:
        check_origin(path, stored.metadata() or {}, origin)
    tokenizer = kitchen_tokenizer(train.videos)
    model = new_model(chosen, len(tokenizer), train.one.vectors.shape[1])
    load_model(model, path)
    return Trained(model.eval(), Reader(tokenizer, condition.sees, LONGEST, LONGEST))


def weights_file(folder: Path, name: str, seed: int) -> Path:
    """Where the weights of a condition and seed lie."""
    return folder / f"{name}-{seed}.safetensors"


def write_all(name: str, trained: Trained, parts: Mapping[str, Part]) -> dict[str, Texts]:
    """Summaries of the splits; of "both" also those with missing or another video's frames, and of long videos."""
    if not CONDITIONS[name].writes:
        return {}
    texts = {split: _texts(trained, parts[split], parts[split].frames) for split in ("validation", "test", "ood")}
    if name != "both":
        return texts
    for split in ("test", "ood"):
        texts[f"{split}|mismatched"] = _texts(trained, parts[split], mismatched(parts[split]))
    for sees in cast(tuple[Sees, ...], ("text", "frames")):
        texts[f"test|{sees}"] = _texts(trained, parts["test"], parts["test"].frames, sees)
    for part in [name for name in PARTS if name.startswith("long")]:
        texts[part] = _texts(trained, parts[part], parts[part].frames)
    return texts


def run(
    name: str,
    seed: int,
    parts: Mapping[str, Part],
    recipe: KitchenRecipe,
    folder: Path,
    encoder: TextEncoder | None = None,
) -> Path:
    """One condition from one seed, unless its summaries and scores are there already; returns their path.

    `encoder`: as of `train_or_load`. Raises: UsageError where those come from another recipe or other embeddings.
    """
    path = folder / f"{name}-{seed}.json"
    origin = {"recipe": recipe.model_dump(mode="json"), "fingerprint": parts["train"].one.fingerprint}
    if path.exists():
        check_origin(path, json.loads(path.read_text()), origin)
        return path
    started = time.process_time()
    trained = train_or_load(name, seed, parts, recipe, folder, encoder)
    scored = trained.model.scorer is not None and encoder is not None
    row = {
        "condition": name,
        "seed": seed,
        **origin,
        "parameters": sum(weights.numel() for weights in trained.model.parameters()),
        "texts": write_all(name, trained, parts),
        "frames": score_parts(trained.model, parts, encoder) if scored and encoder else {},
        "cpu_s": round(time.process_time() - started, 1),
    }
    path.with_suffix(".part").write_text(json.dumps(row))
    path.with_suffix(".part").rename(path)
    return path


def main(words: Sequence[str] | None = None) -> None:
    """Train what is missing, then write `quality.json` and `quality.md` from all that is there."""
    parser = argparse.ArgumentParser(prog="python -m clipsum.training.quality", description="Q1 to Q7 on the kitchen")
    parser.add_argument("--output", type=Path, default=Path("build/quality"), help="folder for all that is made")
    parser.add_argument("--corpus", type=Path, default=Path("build/kitchen-tiny/corpus"), help="folder of its splits")
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, help="bundle whose encoder embeds the frames")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds 0 .. N - 1 (default 3)")
    parser.add_argument("--only", nargs="*", default=list(CONDITIONS), choices=list(CONDITIONS), help="conditions")
    given = parser.parse_args(words)
    torch.set_num_threads(1)  # the sums of several threads are not the same to the bit
    given.output.mkdir(parents=True, exist_ok=True)
    try:
        parts = make_parts(given.corpus, given.output / "embeddings", given.bundle)
        encoder = load_bundle(given.bundle).encoder(precision="fp32")
        for seed in range(given.seeds):
            for name in given.only:
                run(name, seed, parts, KitchenRecipe(), given.output, encoder)
    except UsageError as error:
        parser.error(str(error))
    (given.output / "quality.md").write_text(table := "".join(_tables(given.output, given.seeds, parts)))
    sys.stdout.write(table)


def _tables(folder: Path, seeds: int, parts: Mapping[str, Part]) -> Iterator[str]:
    """What can be told from the runs that are there, each also as plain data in `folder`."""
    videos = {name: part.videos for name, part in parts.items()}
    if rows := _rows(folder, OF_SUMMARIES, seeds):
        found = figures(rows, videos)
        (folder / "quality.json").write_text(json.dumps(found, indent=2) + "\n")
        yield markdown(found) + "\n"
    rows = _rows(folder, OF_HIGHLIGHTS, seeds, some=True)
    if any(row["condition"] == HEADLINE for row in rows):
        found = highlight_figures(rows, {split: baselines(parts[split]) for split in SCORED}, videos)
        (folder / "highlights.json").write_text(json.dumps(found, indent=2) + "\n")
        yield highlights_markdown(found)


def _rows(folder: Path, names: Sequence[str], seeds: int, some: bool = False) -> list[dict[str, Any]]:
    """The records of these runs; where one is missing, of `some` of them, else none."""
    paths = [folder / f"{name}-{seed}.json" for name in names for seed in range(seeds)]
    there = [path for path in paths if path.exists()]
    if missing := [path.stem for path in paths if path not in there]:
        sys.stderr.write(f"{'left out' if some else 'no table of summaries'}: {', '.join(missing)} missing\n")
    return [json.loads(path.read_text()) for path in there] if some or not missing else []


def _texts(trained: Trained, part: Part, frames: FrameSet, sees: Sees | None = None) -> Texts:
    written = write_summaries(trained, part.videos, frames, sees)
    return {video.video_id: text for video, text in zip(part.videos, written, strict=True)}


def _progress(name: str) -> Callable[[StepReport], None]:
    started = time.monotonic()

    def report(done: StepReport) -> None:
        if done.step % 50 == 0:
            sys.stderr.write(f"{name} step {done.step} loss {done.loss:.3f} {time.monotonic() - started:.0f} s\n")

    return report


if __name__ == "__main__":
    main()
