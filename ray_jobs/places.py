"""Which folders a command may write to: each run has an output of its own, and no other lies among its parts."""

from clipsum import storage
from clipsum.errors import UsageError

RECORDS = {
    "config.json": "a training run",
    "evaluation.json": "an evaluation",
    "ablation.json": "an ablation",
    "run.json": "a run over an archive",
}
"""What a run leaves in its output, and no other kind does before it: a training run has its own run.json."""
FOLDERS = ("summaries", "embeddings", "manifest", "earlier", "owner", "run", "cells", "checkpoints", "best", "bundle")
"""What else lies there."""


def check_place(place: str, *own: str, option: str = "--output") -> None:
    """Raise UsageError where `place` holds another run than one that leaves `own`, or is a folder of a run."""
    for record, what in RECORDS.items():
        if storage.exists(storage.join(place, record)):
            if record not in own:
                raise _refusal(place, f"holds {what} ({record})", option)
            break
    check_apart(place, option)


def check_apart(place: str, option: str) -> None:
    """Raise UsageError where `place` is a folder that a run keeps for itself."""
    whole, _, name = storage.canonical(place).rstrip("/").rpartition("/")
    if name in FOLDERS:
        for record, what in RECORDS.items():
            if storage.exists(storage.join(whole, record)):
                raise _refusal(place, f"is a part of {what} ('{storage.shown(whole)}')", option)


def _refusal(place: str, why: str, option: str) -> UsageError:
    return UsageError(f"{option} '{storage.shown(place)}' {why}: name a folder of its own")
