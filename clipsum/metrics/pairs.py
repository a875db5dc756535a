"""References and predictions from two text files, a line each, as summarization systems publish them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from clipsum import storage
from clipsum.errors import ItemError, UsageError, refused


@dataclass(frozen=True, repr=False)
class Pairs:
    """N references with the prediction for each; `ids` are the videos' own, or line numbers from 1."""

    ids: tuple[str, ...]
    references: tuple[str, ...]
    predictions: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Pairs(n={len(self.ids)})"


def read_pairs(references: str, predictions: str, has_ids: bool = False) -> Pairs:
    """Line k of one file belongs to line k of the other; where `has_ids`, lines that open with the same word do.

    A prediction may be empty, a reference may not. Local or `s3://`.
    Raises: UsageError, one line: a file that cannot be read or is empty, lines that do not match.
    """
    wanted, told = (_lines(place, has_ids) for place in (references, predictions))
    if has_ids:
        _refuse_difference(references, wanted, predictions, told)
    elif len(wanted) != len(told):
        raise UsageError(
            f"'{references}' has {len(wanted):,} lines and '{predictions}' has {len(told):,}: give a prediction for "
            "each reference, an empty line where there is none"
        )
    if empty := next((name for name, text in wanted.items() if not text.strip()), None):
        raise UsageError(f"'{references}' has no text at {_where(empty, has_ids)}: remove it from both files")
    return Pairs(tuple(wanted), tuple(wanted.values()), tuple(told[name] for name in wanted))


def _lines(place: str, has_ids: bool) -> dict[str, str]:
    """Line number or id -> text."""
    try:
        text = storage.read_bytes(place).decode("utf-8-sig")
    except ItemError as error:
        raise refused(f"'{place}' cannot be read", error) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"'{place}' is not a text file in UTF-8: {error}") from error
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if not text.strip():
        raise UsageError(f"'{place}' is empty: give a file of one text a line")
    if not has_ids:
        return {str(number): line for number, line in enumerate(lines, start=1)}
    opened = [(words[0], " ".join(words[1:]).strip()) for line in lines if (words := line.split(maxsplit=1))]
    name, times = Counter(name for name, _ in opened).most_common(1)[0]
    if times > 1:
        raise UsageError(f"'{place}' has {times} lines that open with '{name}': with --ids each opens with its own id")
    return dict(opened)


def _refuse_difference(references: str, wanted: Mapping[str, str], predictions: str, told: Mapping[str, str]) -> None:
    for place, missing in ((predictions, [*wanted.keys() - told.keys()]), (references, [*told.keys() - wanted.keys()])):
        if missing:
            raise UsageError(
                f"'{place}' lacks {len(missing):,} of the ids, such as '{min(missing)}': give the same ids"
            )


def _where(name: str, has_ids: bool) -> str:
    return f"id '{name}'" if has_ids else f"line {name}"
