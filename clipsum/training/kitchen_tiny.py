"""`make kitchen-tiny`: from nothing but a seed to the bundle that ships with the package.

    python -m clipsum.training.kitchen_tiny [--work DIR] [--output DIR] [--config FILE] [--set key=value]

Corpus, tiny CLIP, embeddings and models are kept in the work folder, each written whole, so that a second start goes
on with what is missing. `begun.json` there says what they were made by: other settings are refused.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from pydantic import Field

from clipsum.config import DEFAULT_BUNDLE, Config, Preprocessing, Sampling, Seek, load
from clipsum.datasets.kitchen.corpus import generate_corpus
from clipsum.encoders.clip import load_clip
from clipsum.errors import UsageError
from clipsum.models.bundle import BUNDLED, save_bundle
from clipsum.training.embed import embed_manifest
from clipsum.training.frames import read_frames
from clipsum.training.kitchen_card import FIGURES, card, slots_told
from clipsum.training.kitchen_highlights import calibrated, with_scorer
from clipsum.training.kitchen_recipe import KitchenRecipe, Trained, write_summaries
from clipsum.training.loop import StepReport
from clipsum.training.quality import train_or_load, weights_file
from clipsum.training.quality_figures import score
from clipsum.training.quality_parts import Part, read_parts
from clipsum.training.recorded import check_recorded
from clipsum.training.revision import git_revision
from clipsum.training.tiny_clip import TAUGHT_FILE, TinyClipConfig, save_tiny_clip, train_tiny_clip

SPLITS = ("train", "validation", "ood")
BEGUN = "begun.json"


class BuildConfig(Config):
    """All that decides what comes out. The defaults are what ships."""

    corpus_seed: int = Field(default=0, ge=0)
    videos: int = Field(default=3_900, ge=4)
    clip_frames_a_video: int = Field(default=20, ge=1)
    clip: TinyClipConfig = TinyClipConfig()
    sampling: Sampling = Sampling()
    seek: Seek = "auto"
    clipsum: KitchenRecipe = KitchenRecipe()

    @property
    def trained_on(self) -> str:
        """In words, for `bundle.json` and the card."""
        return f"the toy kitchen, {self.videos:,} videos of seed {self.corpus_seed}, training split only"


def main(words: Sequence[str] | None = None) -> None:
    """Make what is missing, in order, and write the bundle."""
    parser = argparse.ArgumentParser(prog="python -m clipsum.training.kitchen_tiny", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/kitchen-tiny"), help="folder for what comes before")
    parser.add_argument("--output", default=str(BUNDLED / DEFAULT_BUNDLE), help="folder or s3:// place of the bundle")
    parser.add_argument("--config", help="TOML file with keys of BuildConfig")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one key of BuildConfig")
    given = parser.parse_args(words)
    started = time.monotonic()
    torch.set_num_threads(1)  # the sums of several threads are not the same to the bit
    try:
        config = load(BuildConfig, given.config, given.set, base=BuildConfig())
        begin(given.work, config)
        make_corpus(given.work / "corpus", config)
        teach_clip(given.work, config)
        embed_splits(given.work, config)
        write_bundle(given.work, config, given.output)
    except UsageError as error:
        parser.error(str(error))
    _say(f"{given.output} made in {(time.monotonic() - started) / 60:.0f} min")


def begin(work: Path, config: BuildConfig) -> None:
    """Note what the work folder is for. Raises: UsageError where it holds the work of other settings.

    The models keep account of their recipe themselves.
    """
    made_by = config.model_dump(mode="json", exclude={"clipsum"})
    if not (work / BEGUN).is_file():
        work.mkdir(parents=True, exist_ok=True)
        (work / BEGUN).write_text(json.dumps(made_by, indent=2) + "\n")
    before = json.loads((work / BEGUN).read_text())
    check_recorded(str(work), before, made_by, BuildConfig, "take another --work")


def make_corpus(folder: Path, config: BuildConfig) -> None:
    """Render the corpus, unless its last manifest is there."""
    if (folder / "ood" / "manifest.jsonl").is_file():
        return

    def report(done: int, total: int) -> None:
        if done % 500 == 0:
            _say(f"corpus: {done} of {total} videos")

    generate_corpus(folder, config.videos, config.corpus_seed, split_ood=True, on_done=report)


def teach_clip(work: Path, config: BuildConfig) -> None:
    """Train the tiny CLIP on frames of the training split, unless it is there."""
    if (work / "tiny-clip" / TAUGHT_FILE).is_file():
        return
    prep = Preprocessing(size_px=config.clip.image_size)
    frames = read_frames(work / "corpus" / "train" / "manifest.jsonl", config.clip_frames_a_video, prep)
    save_tiny_clip(train_tiny_clip(frames, config.clip, _say), work / "tiny-clip")


def embed_splits(work: Path, config: BuildConfig) -> None:
    """Embed each split that training and the card need, unless it is there."""
    encoder = load_clip(str(work / "tiny-clip"))
    for split in SPLITS:
        path = work / "embeddings" / f"{split}.npz"
        if not path.is_file():
            embed_manifest(work / "corpus" / split / "manifest.jsonl", encoder, config.sampling, config.seek, path)
            _say(f"embedded {split}")


def write_bundle(work: Path, config: BuildConfig, place: str) -> None:
    """Train ClipSum, and text-only beside it, score both where nothing was trained, and save the former with a scorer.

    The scorer comes last and alone: the summaries are those of the model without it.
    """
    parts = read_parts(work / "embeddings")
    models = work / "models"
    models.mkdir(exist_ok=True)
    trained = _train(parts, config.clipsum, models)
    encoder = load_clip(str(work / "tiny-clip"))
    metrics = _summary_scores(trained, parts) | slots_told(encoder, work / "corpus", config.clip_frames_a_video)
    scoring = with_scorer(trained["both"], parts, config.clipsum, encoder, models / "scorer-0.safetensors", _on_step)
    metrics |= calibrated(scoring, parts, encoder)
    model, recipe = scoring.model, config.clipsum
    save_bundle(
        place,
        model=model,
        tokenizer=trained["both"].tokenizer,
        encoder=encoder,
        sampling=config.sampling,
        seek=config.seek,
        card=card(metrics, work / "tiny-clip", model, config.trained_on, recipe.steps, recipe.training.batch_size),
        trained_on=config.trained_on,
        git_revision=git_revision(),
        metrics=metrics,
    )


def _train(parts: Mapping[str, Part], recipe: KitchenRecipe, models: Path) -> dict[str, Trained]:
    """ClipSum and text-only side by side, each in a process and on a thread of its own."""
    given = 0, parts, recipe, models
    if not weights_file(models, "text", 0).exists():
        with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (1,)) as beside:
            text = beside.submit(train_or_load, "text", *given)
            train_or_load("both", *given)
            text.result()
    return {name: train_or_load(name, *given) for name in ("both", "text")}


def _summary_scores(trained: Mapping[str, Trained], parts: Mapping[str, Part]) -> dict[str, float]:
    """`{split}.{system}.{figure}`: figures as in `Scores.row`."""
    found: dict[str, float] = {}
    for split in ("validation", "ood"):
        videos, frames = parts[split].videos, parts[split].frames
        for name, model in trained.items():
            texts = write_summaries(model, videos, frames)
            row = score(videos, [{v.video_id: text for v, text in zip(videos, texts, strict=True)}]).row()
            found |= {f"{split}.{name}.{figure}": round(row[figure]["mean"], 4) for figure in FIGURES}
    return found


def _on_step(report: StepReport) -> None:
    if report.step % 100 == 0:
        _say(f"scorer step {report.step} loss {report.loss:.3f}")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
