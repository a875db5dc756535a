"""The ways in which a run can go wrong, and the words for them.

`UsageError`: the call itself is wrong; one line, exit code 2.
`ItemError`: one video cannot be done; it becomes a `Failure` on that video's row. Where a file of the run itself cannot
be read or written, it ends the run: one line, exit code 1.
`RunError`: what the run stands on is gone; one line, exit code 1.
Anything else that is raised is a programmer's error and stays an exception.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

Reason = Literal[
    "not_found",
    "access_denied",
    "not_a_video",
    "no_video_stream",
    "corrupt",
    "unsupported_codec",
    "too_long",
    "too_large",
    "too_many_pixels",
    "timeout",
    "out_of_memory",
    "worker_died",
    "storage_error",
    "model_error",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
LONG_LIST = 100
"""Letters of all allowed words, from which on the nearest comes before them."""
_NUMBER = re.compile(r"int_|float_|greater_|less_|finite_")
_BOUNDS = {"ge": "of {} or more", "gt": "above {}", "lt": "below {}", "le": "of at most {}"}
_WANTED = {"bool": "give true or false", "string": "give words", "tuple": "give a list, such as [1, 2]"}


class UsageError(Exception):
    """The call is wrong. The message is one line: the value, what is allowed, what to do."""


class RunError(Exception):
    """Neither the call nor a video is at fault: what the work runs on does not start, or was lost. One line."""


class ItemError(Exception):
    """One video cannot be done, for a `reason` of the fixed list, at a `stage`.

    `bytes_read` and `cpu_s` are what it had cost by then, where that is known: a failure is paid for too.
    """

    def __init__(self, reason: Reason, stage: str, detail: str, bytes_read: int = 0, cpu_s: float = 0.0) -> None:
        super().__init__(f"{reason} at {stage}: {detail}")
        self.reason: Reason = reason
        self.stage = stage
        self.detail = detail
        self.bytes_read = bytes_read
        self.cpu_s = cpu_s

    def __reduce__(self) -> tuple[type["ItemError"], tuple[Reason, str, str, int, float]]:
        """Cross process borders whole: the default would lose all arguments but one."""
        return (type(self), (self.reason, self.stage, self.detail, self.bytes_read, self.cpu_s))


def refused(words: str, error: ItemError) -> UsageError | ItemError:
    """What to raise where a store answers `error` to a call; `words` say what could not be done.

    What it refuses, or does not have, is a wrong call. A store that fails is none: the same call may go well later.
    """
    said = f"{words}: {error.detail}"
    return ItemError(error.reason, error.stage, said) if error.reason == "storage_error" else UsageError(said)


def one_of(value: str, allowed: Iterable[str], what: str) -> UsageError:
    """An error for `value` outside `allowed`, with the nearest allowed word when one is near: first, of many.

    >>> raise one_of("exactt", ["exact", "keyframe"], "seek")
    UsageError: seek 'exactt' is not known: use one of exact, keyframe (did you mean 'exact'?)
    """
    names = list(allowed)
    near, all_of_them = difflib.get_close_matches(value, names, n=1), ", ".join(names)
    if near and len(all_of_them) > LONG_LIST:
        return UsageError(f"{what} '{value}' is not known: did you mean '{near[0]}'? All there are: {all_of_them}")
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return UsageError(f"{what} '{value}' is not known: use one of {all_of_them}{hint}")


def wrong_value(error: ValidationError, cls: type[BaseModel], section: str = "") -> UsageError:
    """The first value that the configuration `cls` refuses, with its key, below `section`, and what is allowed there.

    >>> raise wrong_value(error, Sampling, "sampling.")
    UsageError: sampling.frames '0': give a whole number from 1 to 100,000
    """
    first = error.errors()[0]
    keys, kind, context = first["loc"], first["type"], first.get("ctx", {})
    key = section + ".".join(map(str, keys))
    if kind == "value_error":  # of a check of our own, which names values itself
        said = " ".join(str(context["error"]).split())
        return UsageError(f"{key.rstrip('.')}: {said}" if key else said)
    if kind == "missing":
        return UsageError(f"{key} is missing: give it a value")
    if kind == "literal_error":
        return one_of(short(first["input"]), re.findall("'([^']*)'", context["expected"]), key)
    given = "" if isinstance(first["input"], dict) else f" '{short(first['input'])}'"
    return UsageError(f"{key}{given}: {_wanted(kind, short(first['msg']), _field(cls, keys))}")


def short(value: object) -> str:
    """On one line, and not the whole of what may be a long text."""
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else f"{text[:200]} …"


def _wanted(kind: str, message: str, field: FieldInfo | None) -> str:
    """What to give instead of a value that pydantic refuses as `kind`, in the words of `message`."""
    if _NUMBER.match(kind) and field is not None:
        whole = int in (field.annotation, *get_args(field.annotation))
        return f"give a {'whole ' * whole}number{_range(field)}"
    if kind.startswith("model_"):
        return "this is a section: set one of its keys"
    if kind.startswith("string_") and kind != "string_type":
        return message.replace("String should", "it should")
    return _WANTED.get(kind.partition("_")[0], message.replace("Input should", "it should"))


def _range(field: FieldInfo) -> str:
    """The bounds of a number: ` from 0 to 1`, ` above 0`; "" where there is none."""
    of = {name: f"{getattr(each, name):,}" for each in field.metadata for name in _BOUNDS if hasattr(each, name)}
    if "ge" in of and "le" in of:
        return f" from {of['ge']} to {of['le']}"
    told = [words.format(of[name]) for name, words in _BOUNDS.items() if name in of]
    return " " + ", ".join(told) if told else ""


def _field(cls: type[BaseModel], keys: Iterable[str | int]) -> FieldInfo | None:
    """The field that `keys` lead to, places in lists left out; None where there is no such field."""
    found: FieldInfo | None = None
    section: Any = cls
    for key in keys:
        if isinstance(key, str) and section is not None:
            found = section.model_fields.get(key)
            inner = () if found is None else (found.annotation, *get_args(found.annotation))
            section = next((each for each in inner if isinstance(each, type) and issubclass(each, BaseModel)), None)
    return found
