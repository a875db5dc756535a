"""Two stages of which each is made only once the other is being made too."""

import time
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa

from ray_jobs.stages import StageSettings

PATIENCE_S = 30


class First:
    """Rows as they come; `settings.bundle` is the folder where the two meet."""

    waits_for = "Second"

    def __init__(self, settings: StageSettings) -> None:
        folder, deadline = Path(settings.bundle), time.monotonic() + PATIENCE_S
        (folder / type(self).__name__).touch()
        while not (folder / self.waits_for).exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.waits_for} is not made before this stage is ready")
            time.sleep(0.01)

    def __call__(self, table: pa.Table, died: Collection[int] = ()) -> pa.Table:
        """Nothing is done to them."""
        return table


class Second(First):
    """The same."""

    waits_for = "First"
