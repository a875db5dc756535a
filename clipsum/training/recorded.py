"""What work was begun with, as it is on record, beside what a call that is to go on with it asks."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel

from clipsum.config import section_of
from clipsum.errors import UsageError, short

Values = Mapping[str, Any]
Both = tuple[Any, Any]
SHOWN = 3
"""Differences that are named."""


def check_recorded(
    place: str, before: Values, now: Values, cls: type[BaseModel], remedy: str, free: Collection[str] = ()
) -> None:
    """Raise UsageError, one line that names what differs and the `remedy`, where `place` is of something else.

    `before` is what its record says, `now` what this call has: values as JSON has them. `cls`: the configuration
    that both are of, with what else decides beside its keys. `free`: keys that may differ.
    """
    found = differences(before, now, cls)
    named = [key for key in found if key.partition(".")[0] not in free]
    if not named:
        return
    then, here = (", ".join(f"{key}={short(found[key][side])}" for key in named[:SHOWN]) for side in (0, 1))
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    raise UsageError(f"'{place}' was begun with {then}, this call has {here}{more}: {remedy}")


def differences(before: Values, now: Values, cls: type[BaseModel] | None, above: str = "") -> dict[str, Both]:
    """Key, with dots -> both values, where they differ.

    A record may be older than a key: what it lacks was done as the key's default does it.
    """
    defaults = cls.model_construct().model_dump(mode="json") if cls else {}
    found: dict[str, Both] = {}
    for key in {**before, **now}:
        one, other = (given.get(key, defaults.get(key)) for given in (before, now))
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found |= differences(one, other, section_of(cls, key) if cls else None, f"{above}{key}.")
        elif one != other:
            found[above + key] = one, other
    return found
