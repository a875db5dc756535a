"""Numbers as people read them: each with its unit, and a dash where there is no number."""

import math
from collections import Counter
from collections.abc import Mapping
from numbers import Real
from typing import Any

DASH = "–"
ROUGE = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
"""Scores of summaries by which training is watched: their keys, and their names for people."""
FRAMES = {"tau": "100 τ of frame scores", "query_f1": "F1 of queries", "frame_loss": "loss of frame scores"}
"""The same of frame scores."""
_BYTE_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def number(value: Any) -> float | None:
    """`value` as a finite float, or None for whatever is not one (null, NaN, text, a boolean)."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return float(value) if math.isfinite(value) else None


def count(value: Any) -> str:
    """1204 -> `1,204`."""
    found = number(value)
    return DASH if found is None else f"{found:,.0f}"


def scores(metrics: Mapping[str, float], brief: bool = False) -> str:
    """Those of `ROUGE` and `FRAMES` that there are: `ROUGE-1 31.7, ROUGE-2 6.4, ROUGE-L 25.2, 100 τ … 14.7`.

    `brief`: `ROUGE-1 / 2 / L 31.7 / 6.4 / 25.2, 100 τ … 14.7`.
    """
    told = [f"{label} {metrics[name]:.1f}" for name, label in ROUGE.items() if name in metrics]
    if brief and len(told) == len(ROUGE):
        told = [f"ROUGE-1 / 2 / L {' / '.join(f'{metrics[name]:.1f}' for name in ROUGE)}"]
    return ", ".join([*told, *(f"{name} {value}" for name, value in frame_scores(metrics).items())])


def frame_scores(metrics: Mapping[str, float]) -> dict[str, str]:
    """Those of `FRAMES` that there are, each as text under its name for people."""
    return {label: _score(name, metrics[name]) for name, label in FRAMES.items() if name in metrics}


def _score(name: str, value: float) -> str:
    return decimal(value) if name == "frame_loss" else f"{value:.1f}"


def short(value: Any) -> str:
    """A large number in three digits: 151277313 -> `151 M`."""
    found = number(value)
    for power, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if found is not None and found >= power:
            return f"{decimal(found / power)} {unit}"
    return count(value)


def decimal(value: Any, digits: int = 3) -> str:
    """`digits` significant digits, and never an exponent: 31.84 -> `31.8`, 0.004 -> `0.004`, 5120 -> `5,120`."""
    found = number(value)
    if found is None:
        return DASH
    if found == 0 or abs(found) >= 100:
        return f"{found:,.0f}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(found))))
    text = f"{found:.{min(places, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def on_axis(value: float, digits: int = 3) -> str:
    """As `decimal`, and in powers of ten what would be a row of zeros, such as a learning rate: 0.00002 -> `2e-5`."""
    if value == 0 or abs(value) >= 1e-3:
        return decimal(value, digits)
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"


def percent(part: float, whole: float) -> str:
    """The share of `part` in `whole`: `5.2 %`; a dash where the whole is nothing."""
    return f"{decimal(100 * part / whole, digits=2)} %" if whole > 0 else DASH


def share_read(read: float, whole: float) -> str:
    """The share of bytes that were read: `5.2 %`; in words where more were read than there are, some of them again."""
    return "all, parts more than once" if read > whole > 0 else percent(read, whole)


def counted(number: Any, thing: str) -> str:
    """How many things, of a `thing` whose plural ends in s: `1 video`, `1,204 videos`."""
    return f"{count(number)} {thing}{'s' * (number != 1)}"


def reasons(*failures: Mapping[str, int]) -> str:
    """How many things failed for each reason, over all that is given: `2 corrupt, 1 timeout`."""
    found: Counter[str] = sum(map(Counter, failures), Counter())
    return ", ".join(f"{count(number)} {reason}" for reason, number in found.most_common())


def clock(seconds: Any, tenths: bool = False) -> str:
    """A place in a video: 75.3 -> `1:15`, 3700 -> `1:01:40`; with tenths 75.3 -> `1:15.3`."""
    found = number(seconds)
    if found is None:
        return DASH
    whole, tenth = divmod(max(0, math.floor(found * 10 + 1e-6)), 10)
    hours, minutes = divmod(whole // 60, 60)
    text = f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
    return f"{text}.{tenth}" if tenths else text


def span(seconds: Any) -> str:
    """A length of time: 0.42 -> `0.42 s`, 75 -> `1 min 15 s`, 4321 -> `1 h 12 min`."""
    found = number(seconds)
    if found is None:
        return DASH
    if found < 59.5:
        return f"{decimal(round(found, 1) if found >= 1 else found)} s"
    whole = round(found)
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = round(found / 60)
    return f"{minutes // 60:,} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def size(n_bytes: Any) -> str:
    """Bytes in powers of a thousand: 1234567 -> `1.23 MB`."""
    found = number(n_bytes)
    if found is None:
        return DASH
    power = 0
    while abs(found) >= 999.5 and power < len(_BYTE_UNITS) - 1:
        found, power = found / 1000, power + 1
    return f"{decimal(found)} {_BYTE_UNITS[power]}"


def clean(value: Any) -> Any:
    """Text that any file can hold: no lone surrogates, and no control characters but newline and tab.

    What is not exactly a `str` (numbers, text marked as safe HTML) passes untouched.
    """
    if type(value) is not str:
        return value
    whole = value.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter for letter in whole if letter >= " " or letter in "\n\t")
