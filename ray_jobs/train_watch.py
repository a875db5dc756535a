"""What the driver does while workers train: show what they tell, pass a Ctrl-C on, note where the run stands."""

import time
from collections.abc import Callable

from rich.console import Console

from clipsum.errors import RunError
from ray_jobs.interrupts import interrupts_counted
from ray_jobs.train_config import Workers
from ray_jobs.train_progress import TrainingLine
from ray_jobs.train_ray import Running
from ray_jobs.train_worker import Outcome

WAIT_S = 60.0
LAST_WAIT_S = 5.0
"""How long to wait for workers before saying so; how long, after a second Ctrl-C, for a thread here to let go."""


class Watch:
    """Looks after training on these workers. `saved`: the steps of the last checkpoint and of the run, kept up to date.

    `is_lost`: was the run taken over by another start?
    """

    def __init__(self, workers: Workers, saved: dict[str, int], is_lost: Callable[[], bool]) -> None:
        self._workers, self._saved, self._is_lost = workers, saved, is_lost

    def until_the_end(self, running: Running, console: Console) -> Outcome:
        """Raises: what training raised; KeyboardInterrupt of the second Ctrl-C; RunError where the run was lost."""
        began, has_waited, has_asked = time.monotonic(), False, False
        with TrainingLine(console) as line, interrupts_counted(2) as presses:
            while True:
                is_over = running.join()
                self._take(running, line)
                if is_over:
                    return running.result()
                if self._is_lost():
                    raise RunError("this start gave no sign of life for a while and another one took the run over")
                if presses.count > 1 or (presses.count and not line.is_training):
                    running.join(LAST_WAIT_S if not self._workers.most else 0)
                    self._take(running, line)
                    raise KeyboardInterrupt
                if presses.count and not has_asked:
                    has_asked = True
                    running.ask_to_stop()
                    line.say("Stopping after this step; Ctrl-C again stops at once")
                if not line.is_training and not has_waited and time.monotonic() - began > WAIT_S:
                    has_waited = True
                    line.say(f"Still waiting for {self._workers} worker(s) to start: is the cluster busy?")

    def _take(self, running: Running, line: TrainingLine) -> None:
        for record in running.take():
            line.show(record)
            if record["kind"] in ("start", "checkpoint"):
                self._saved |= {name: record[name] for name in self._saved if name in record}
