"""The way of a run through its epochs: step after step, from wherever it stands. It writes nothing."""

import time
from dataclasses import replace

from clipsum.errors import UsageError
from clipsum.training.checkpoint import Progress
from clipsum.training.config import TrainConfig
from clipsum.training.feed import Feed, Share
from clipsum.training.learner import Learner
from clipsum.training.loop import StepReport


class Course:
    """Steps of `learner` on what `feed` gives, as far as `config` says.

    `progress`: where it stands; to set it is to go on from there. `total_steps`: how many it has, of a stream as
    planned; the learning rate goes by it.
    """

    def __init__(self, config: TrainConfig, learner: Learner, feed: Feed) -> None:
        self._config, self._learner, self._feed = config, learner, feed
        ends = config.max_steps, config.epochs and config.epochs * feed.steps_per_epoch
        self.total_steps = min(end for end in ends if end)
        self._progress = Progress()
        self._next: Share | None = None

    @property
    def progress(self) -> Progress:
        """Where it stands."""
        return self._progress

    @progress.setter
    def progress(self, at: Progress) -> None:
        self._progress, self._next = at, None

    @property
    def is_done(self) -> bool:
        """Is no step left?"""
        config, at = self._config, self._progress
        return at.step == config.max_steps or (config.epochs is not None and at.epoch >= config.epochs)

    def step(self) -> StepReport:
        """The next step, by this worker; all call. Raises: TrainingDivergedError; UsageError for bad data."""
        started, at = time.perf_counter(), self._progress
        share = self._next or self._coming()
        if share is None:
            told = ", ".join(f"{count} {reason}" for reason, count in self._feed.failures().items()) or "it is empty"
            raise UsageError(f"the stream of training videos gave none in epoch {at.epoch}: {told}")
        epoch = at.epoch
        report = self._learner.learn(share, at.step, self._config.rate(at.step, epoch, self.total_steps))
        at.origins = sorted({*at.origins, *share.origins})
        self._advance()
        return replace(report, epoch=epoch, examples_per_s=share.examples / (time.perf_counter() - started))

    def _advance(self) -> None:
        """Count the step, and look whether the epoch has another: only its source knows when a stream ends."""
        at, last = self._progress, self._config.max_steps
        at.step, at.place = at.step + 1, at.place + 1
        self._next = None
        if at.step != last:
            self._next = self._coming()
        if self._next is None and (at.step != last or at.place >= self._feed.steps_per_epoch):
            at.epoch, at.place = at.epoch + 1, 0

    def _coming(self) -> Share | None:
        """The next share of the epoch that has examples: a batch of which no video could be had is passed over."""
        at = self._progress
        while (share := self._feed.share(at.epoch, at.place)) is not None and not share.examples:
            at.place += 1
        return share
