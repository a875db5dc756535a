"""One training run over one worker or many: steps, validations, checkpoints. It knows no cluster.

What is the same to the bit: everything random follows from (seed, step, example), so on one machine, with the same
number of threads, workers and the same configuration, two runs are equal to the bit on the CPU, and a run that is
restored from a checkpoint, in mid-epoch too, is equal to one that never stopped.
What is the same but for rounding: another number of workers, another `micro_batch_size`, "fsdp2" for "ddp", streamed
for stored data. Sums are then taken in another order; with dropout, workers also drop other things than one would.
What is not: other processors, thread numbers, library versions, and GPUs, some of whose sums have no fixed order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from clipsum.datasets.embedding_rows import Kind
from clipsum.models.bundle import Bundle, CarriedEncoder, save_bundle
from clipsum.models.summarizer import ClipSum
from clipsum.training.card import card
from clipsum.training.checkpoint import STATE, Origin, Progress, read_progress, read_tensors, write_state
from clipsum.training.columns import summaries_of
from clipsum.training.config import TrainConfig
from clipsum.training.course import Course
from clipsum.training.examples import ItemReader
from clipsum.training.feed import Stream, open_feed
from clipsum.training.frame_validation import FrameValidator, with_origins, with_threshold
from clipsum.training.learner import Learner
from clipsum.training.loop import StepReport, TrainingDivergedError
from clipsum.training.objective import is_better, loss_of, wins_tie
from clipsum.training.revision import git_revision
from clipsum.training.scoring import Scoring
from clipsum.training.sources import TrainData, check_data, cut_references, identity, seen, with_summaries
from clipsum.training.validation import Scored, ValidationReport, Validator, means
from clipsum.training.workers import SOLO, Group

__all__ = ["StepReport", "Stream", "TrainData", "Trainer", "TrainingDivergedError", "ValidationReport"]


class Trainer:
    """A run of `config` from the bundle `base` on `data`, by this process as one worker of `group`.

    Every worker makes its own with the same arguments, and calls the same methods in the same order.
    `progress`: where the run stands. `total_steps`: how many it has, unless patience ends it; of a stream, as planned.
    `notes`: lines for people: which weights are new, which videos were left out. `trained_parameters`: how many learn.
    """

    def __init__(
        self, config: TrainConfig, base: Bundle, data: TrainData, group: Group = SOLO, device: str = "cpu"
    ) -> None:
        """Raises: UsageError, one line, where data, base and configuration do not fit."""
        self.config, self.base, self.data, self.group = config, base, data, group
        self._learner = Learner.of_base(config, base, check_data(config, base, data, group), group, device)
        manifest = base.manifest
        kind = Kind(manifest.fingerprint, str(manifest.sampling), manifest.seek)
        pixels, scoring = self._learner.tower is not None, None
        if config.objective.lambda_video:
            scoring = Scoring(base.encoder(), data.marks, config.sees, summaries=config.summary_share > 0)
        reader = ItemReader(base.tokenizer, config.sees, self._learner.model.config, kind, pixels)
        scoring_reader = replace(reader, scoring=scoring)
        train = seen(data.train, pixels) if isinstance(data.train, Sequence) else data.train
        self._feed, left_out = open_feed(train, data.marks, scoring_reader, config, group)
        self._open_validators(reader, scoring_reader)
        self._origin = Origin(config, base.bundle_id, identity(data))
        self.trained_parameters = self._learner.trained_parameters
        learning = [self._learner.learning] if self._learner.learning else []
        cut = cut_references(config, base, summaries_of(train)) if isinstance(train, Sequence) else ()
        self.notes = (self._learner.new_weights, *learning, *data.notes, *left_out, *cut)
        self._course = Course(config, self._learner, self._feed)
        self.total_steps = self._course.total_steps

    def _open_validators(self, reader: ItemReader, scoring_reader: ItemReader) -> None:
        """`_referenced`: the validation videos that have a reference, where summaries are learned."""
        config, videos = self.config, seen(self.data.validation, reader.pixels)
        size, group, device = config.validation.batch_size, self.group, self._learner.device
        self._referenced = with_summaries(videos) if config.objective.lambda_text else ()
        self._validator = Validator(
            self._referenced, reader, size, group, device, self._learner.batch, bf16=config.precision == "bf16"
        )
        self._frames = None
        if scoring_reader.scoring:
            loss = config.objective.video
            self._frames = FrameValidator(videos, self.data.marks, scoring_reader, size, group, device, loss)

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        return self._course.progress

    def run(self) -> Iterator[StepReport | ValidationReport]:
        """Go on to the end: a report after every step and every validation. Save, if you like, between two of them.

        Ends after the last validation, or the one with `stop`; a run that has ended gives nothing.
        Raises: TrainingDivergedError, with the weights as before that step; UsageError for bad data in a stream.
        """
        while not self.progress.stopped:
            if self.validation_is_due:
                yield self._validate()
            elif self._course.is_done:
                return
            else:
                yield self._course.step()

    @property
    def validation_is_due(self) -> bool:
        """Comes a validation next? It then ends the step, and a checkpoint is better written after it."""
        at, when = self.progress, self.config.validation
        if at.step == at.validated:
            return False
        epoch_ends = at.place == 0 and bool(when.every_epochs) and at.epoch % (when.every_epochs or 1) == 0
        steps_end = bool(when.every_steps) and at.step % (when.every_steps or 1) == 0
        return epoch_ends or steps_end or self._course.is_done

    def _validate(self) -> ValidationReport:
        at, config = self.progress, self.config.validation
        model = self._model()
        scored = self._validator.score(model) if self._referenced else []
        at.metrics, at.validated = means(scored) if scored else {}, at.step
        at.metrics |= self._frames.metrics(model) if self._frames else {}
        better = is_better(config.metric, at.metrics, at.best)
        at.since_best = 0 if better else at.since_best + 1
        if best := better or wins_tie(config.metric, at.metrics, at.best, at.best_loss):
            at.best, at.best_step, at.best_loss = at.metrics[config.metric], at.step, loss_of(at.metrics)
        at.stopped = config.patience is not None and at.since_best >= config.patience
        samples, failures = self._samples(scored), self._feed.failures()
        return ValidationReport(at.step, at.epoch, dict(at.metrics), samples, best, at.stopped, failures)

    def _samples(self, scored: Sequence[Scored]) -> list[tuple[str, str, str]]:
        count = min(self.config.validation.samples, len(scored))
        places = [number * len(scored) // count for number in range(count)]
        videos = [self._referenced[place] for place in places]
        return [(v.video_id, v.summary or "", scored[p].summary) for v, p in zip(videos, places, strict=True)]

    def save(self, folder: Path) -> None:
        """Write a checkpoint: a bundle, `optimizer.safetensors`, and `state.json`, whose presence says it is whole.

        Worker 0 writes, all call, and all return when it is written. Raises: RuntimeError after a step that diverged.
        """
        if self._learner.diverged:
            raise RuntimeError("training has diverged: no checkpoint is written of it, go on from an earlier one")
        if self.group.rank == 0:
            (folder / STATE).unlink(missing_ok=True)
        self.write_bundle(str(folder))
        tensors = self._learner.tensors()
        if self.group.rank == 0:
            write_state(folder, tensors, self.progress, self._origin)
        self.group.barrier()

    def write_bundle(self, place: str) -> None:
        """The model as it is now, with the metrics of the last validation, as a bundle in a folder or at `s3://…`.

        Worker 0 writes, all call.
        """
        model = self._model()
        if self.group.rank:
            return
        trained_on = self.data.trained_on or self._origin.data
        at, manifest = self.progress, self.base.manifest
        save_bundle(
            place,
            model=model,
            tokenizer=self.base.tokenizer,
            encoder=self._learner.tower or CarriedEncoder(self.base),
            sampling=manifest.sampling,
            seek=manifest.seek,
            card=card(self.config, self.base.bundle_id, self._learner.new_weights, trained_on, at.step, at.metrics),
            trained_on=trained_on,
            git_revision=git_revision(),
            metrics={f"validation.{name}": value for name, value in at.metrics.items()},
        )

    def _model(self) -> ClipSum:
        """The model as a bundle knows it, with the record of what it learned from; all workers call."""
        model, at = self._learner.plain(), self.progress
        model.record(with_origins(with_threshold(model.config, at.metrics), at.origins))
        return model

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint instead of from the start; any number of workers may have written it.

        Raises: UsageError, one line, where it is of another configuration, base or data, or not whole.
        """
        self._course.progress = read_progress(folder, self._origin)
        self._learner.load(folder, read_tensors(folder))
