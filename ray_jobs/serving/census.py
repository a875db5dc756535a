"""How many replicas of each part are at work, as Serve's controller tells."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Census(NamedTuple):
    """Replicas that run: never none, for somebody asks."""

    ingresses: int
    decoders: int
    writers: int

    @property
    def stages(self) -> dict[str, int]:
        """Those that a request waits for, by the names of `work_of`."""
        return {"decode": self.decoders, "summarize": self.writers}


def census() -> Census:
    """Of the application that this replica belongs to. Raises Ray's errors where the controller does not answer."""
    from ray import serve

    own = serve.get_replica_context().app_name
    parts = serve.status().applications[own].deployments
    counts = {name: parts[name].replica_states.get("RUNNING", 0) for name in ("Ingress", "Decode", "Summarize")}
    return Census(*(max(1, count) for count in counts.values()))


def work_of(row: Mapping[str, Any]) -> dict[str, float]:
    """What each of `Census.stages` worked on a row, in seconds."""
    return {"decode": row["decode_cpu_s"], "summarize": row["encode_s"] + row["generate_s"]}
