"""Training on Ray Train: workers that are placed, joined, watched, and started again; what they do is `train_worker`.

Ray Train starts the group of workers again when one of them dies, and with another number when the cluster grows or
shrinks; each time they go on from the last checkpoint. Its own storage is a scratch folder that holds nothing of ours.
"""

import os
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import ray
import ray.train
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer, get_device
from ray.train.v2.api.config import LoggingConfig
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clipsum.errors import UsageError
from clipsum.training.workers import Solo, current_group
from ray_jobs.train_books import Record
from ray_jobs.train_config import TrainJob, Workers
from ray_jobs.train_place import Placement
from ray_jobs.train_worker import Outcome, Work, work

FAULTS = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError, ValueError)
"""Faults of the program. What the network, a store or a dead fellow worker provokes is none of these."""
LOOK_EVERY_S = 0.2
HEALTH_CHECK_S = "1"
"""How often Ray Train looks whether its workers live; it also ends this much later than they do."""


class Mailbox:
    """What worker 0 tells, until the driver takes it, and the driver's wish to stop. Bound: a moment's records."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque()
        self._stop = False
        self._fault: Outcome | None = None

    def tell(self, record: Record) -> object:
        """Leave a record; is a stop asked for?"""
        self._records.append(record)
        return self._stop

    def take(self) -> list[Record]:
        """All records that were left since the last call."""
        return [self._records.popleft() for _ in range(len(self._records))]

    def ask_to_stop(self) -> None:
        """From now on every `tell` says so."""
        self._stop = True

    def is_stop_asked(self) -> bool:
        """Was a stop asked for?"""
        return self._stop

    def note_fault(self, outcome: Outcome) -> None:
        """Note what would only come again, were the workers to try again."""
        self._fault = self._fault or outcome

    def fault(self) -> Outcome | None:
        """What was noted, if anything was."""
        return self._fault


class RemoteLine:
    """A line to a mailbox in another process. Never waits: an answer is looked at once it is there."""

    def __init__(self, mailbox: Any) -> None:
        self._mailbox, self._answer, self._stop = mailbox, None, False

    def tell(self, record: Record) -> None:
        """Send it off."""
        self.is_stop_asked()
        answer = self._mailbox.tell.remote(record)
        self._answer = self._answer or answer

    def is_stop_asked(self) -> bool:
        """Did an answer that has come say so?"""
        if self._answer is not None and ray.wait([self._answer], timeout=0)[0]:
            self._stop, self._answer = self._stop or ray.get(self._answer), None
        return self._stop


@dataclass
class Running:
    """Training that goes on in a thread: `take` what it tells, `ask_to_stop`, and `join` for its end."""

    take: Callable[[], list[Record]]
    ask_to_stop: Callable[[], object]
    body: Callable[[], Outcome]
    outcome: Outcome | None = None
    error: BaseException | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def join(self, timeout_s: float = LOOK_EVERY_S) -> bool:
        """Wait a moment for the end; has it come?"""
        return self._over.wait(timeout_s)  # not Thread.join, which takes an interrupted wait for the thread's end

    def result(self) -> Outcome:
        """What came of it, once the end has come. Raises: what training raised."""
        if self.error is not None:
            raise self.error
        if self.outcome is None:
            raise RuntimeError("training has not ended yet")
        return self.outcome

    def _run(self) -> None:
        try:
            self.outcome = self.body()
        except BaseException as error:  # handed to whoever waits
            self.error = error
        finally:
            self._over.set()


def train_here(task: Work, device: str) -> Running:
    """Train in this process."""
    mailbox = Mailbox()
    return Running(mailbox.take, mailbox.ask_to_stop, lambda: work(task, Solo(), device, mailbox))


def train_on_ray(task: Work, workers: Workers, placement: Placement, job: TrainJob, scratch: str) -> Running:
    """Train on the cluster that this process is connected to. `scratch`: a folder for Ray Train's own notes."""
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", HEALTH_CHECK_S)
    mailbox = open_mailbox()
    trainer = TorchTrainer(
        _in_worker,
        train_loop_config={"task": replace(task, threads=placement.threads), "mailbox": mailbox},
        scaling_config=ScalingConfig(
            num_workers=tuple(workers) if workers.is_elastic else workers.most,
            use_gpu=placement.use_gpu,
            resources_per_worker={"CPU": placement.cpus, **({"GPU": 1} if placement.use_gpu else {})},
            elastic_resize_monitor_interval_s=job.resize_check_s,
        ),
        run_config=RunConfig(
            name="train",
            storage_path=scratch,
            failure_config=FailureConfig(max_failures=job.max_failures),
            logging_config=LoggingConfig(log_level="CRITICAL"),
        ),
    )
    # Not in the main thread: there Ray Train would take Ctrl-C for itself, and leave with its own exit codes.
    return Running(
        take=lambda: ray.get(mailbox.take.remote()),
        ask_to_stop=mailbox.ask_to_stop.remote,
        body=lambda: _fit(trainer, mailbox),
    )


def _fit(trainer: TorchTrainer, mailbox: Any) -> Outcome:
    """What came of the training; a fault of the call or of the program where workers noted one, however they ended."""
    try:
        return trainer.fit().return_value  # type: ignore[no-any-return]
    except TrainingFailedError:
        if (fault := ray.get(mailbox.fault.remote())) is None:
            raise
        return fault  # type: ignore[no-any-return]


def open_mailbox() -> Any:
    """A mailbox beside this process: no other machine that leaves the cluster takes it, and with it the run, along."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Mailbox).remote()


def _in_worker(config: dict[str, Any]) -> Outcome:
    """The training function of Ray Train, in a process of its own."""
    mailbox = config["mailbox"]
    if (fault := ray.get(mailbox.fault.remote())) is not None:
        return fault  # type: ignore[no-any-return]
    try:
        return work(config["task"], current_group(), str(get_device()), RemoteLine(mailbox), ray.train.report)
    except UsageError as error:
        outcome = Outcome("refused", message=str(error))
    except torch.OutOfMemoryError as error:
        words = str(error).splitlines()[0]
        outcome = Outcome("failed", message=f"a worker ran out of GPU memory, lower micro_batch_size: {words}")
    except FAULTS:
        outcome = Outcome("failed", message=traceback.format_exc())
    # A worker that left without an error would let the others wait for it. So all end, and find the note when they are
    # started again.
    ray.get(mailbox.note_fault.remote(outcome))
    raise RuntimeError(outcome.message)
