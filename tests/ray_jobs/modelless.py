"""A stage that needs no model: decoded videos become rows at once. For tests on Ray of what is around the stages."""

from collections.abc import Collection
from dataclasses import replace

import pyarrow as pa

from clipsum.records import Summary
from ray_jobs.actors import Stage
from ray_jobs.model_stages import results
from ray_jobs.stages import Decode, StageSettings


class DecodeAlone:
    """Manifest rows -> rows of the output of `clipsum summarize`, with summaries that say nothing."""

    def __init__(self, settings: StageSettings) -> None:
        self._settings, self._decode = settings, Decode(settings)

    def __call__(self, table: pa.Table, died: Collection[int] = ()) -> pa.Table:
        """Decode each row."""
        items = self._decode.decode(table, died)
        told = [
            item if item.outcome.failure else replace(item, outcome=replace(item.outcome, summary=Summary("", "none")))
            for item in items
        ]
        return results(told, self._settings)

    def close(self) -> None:
        """End the decoding process."""
        self._decode.close()


DECODE_ALONE = Stage("tests.ray_jobs.modelless", "DecodeAlone", 0)
