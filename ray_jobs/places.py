"""Which folders a command may write to: each run has an output of its own, and no other lies among its parts."""

from typing import Literal

from clipsum import storage
from clipsum.errors import ItemError, UsageError, refused
from ray_jobs.run_record import ASKED, RECORD

Kind = Literal["an evaluation", "an ablation", "a training run", "a run over an archive"]
EVALUATION, ABLATION = "evaluation.json", "ablation.json"
"""The record that each of them leaves; the others leave `RECORD`, and a training run `ASKED` beside it."""
FOLDERS = ("summaries", "embeddings", "manifest", "earlier", "owner", "run", "cells", "checkpoints")
"""What else lies in the output of a run."""


def check_place(place: str, own: Kind | None = None, option: str = "--output") -> None:
    """Raise UsageError where `place` holds a run that is not of one's `own` kind, or is a folder within a run."""
    found = kind_of(place)
    if found not in (own, None):
        raise _refusal(place, f"holds {found}", option)
    check_apart(place, option)


def check_apart(place: str, option: str) -> None:
    """Raise UsageError where `place` is a folder that a run keeps for itself."""
    whole, _, name = storage.canonical(place).rstrip("/").rpartition("/")
    found = kind_of(whole) if name in FOLDERS else None
    if found:
        raise _refusal(place, f"is a part of {found} ('{storage.shown(whole)}')", option)


def kind_of(place: str) -> Kind | None:
    """What run has left its record in this folder, if any."""

    def holds(name: str) -> bool:
        try:
            return storage.exists(storage.join(place, name))
        except ItemError as error:
            raise refused(f"'{storage.shown(place)}' cannot be read", error) from error

    if holds(EVALUATION):
        return "an evaluation"
    if holds(ABLATION):
        return "an ablation"
    if holds(RECORD):
        return "a training run" if holds(ASKED) else "a run over an archive"
    return None


def _refusal(place: str, why: str, option: str) -> UsageError:
    return UsageError(f"{option} '{storage.shown(place)}' {why}: name a folder of its own")
