"""The figures of Q1 to Q3 as Markdown, ready to be read."""

from collections.abc import Mapping, Sequence
from typing import Any

_SYSTEMS = {
    "text": "text only",
    "frames": "frames only",
    "both": "text and frames",
    "both|mismatched": "– given another video's frames",
    "both|text": "– given the text alone",
    "both|frames": "– given the frames alone",
    "no-temporal": "– trained without the temporal encoder",
    "oracle": "oracle: nothing hidden in the text",
}
_SEEKS = {"exact": ".exact", "auto": "", "keyframe": ".keyframe"}
_LONG = {"test": "long", "out of distribution": "long_ood"}


def markdown(found: Mapping[str, Any]) -> str:
    """Protocol, targets, and the tables of each question."""
    return "\n".join((*_protocol(found["protocol"]), "", *_targets(found), "", *_vision(found), "", *_seeking(found)))


def _protocol(protocol: Mapping[str, Any]) -> list[str]:
    counts = ", ".join(f"{part} {count}" for part, count in protocol["videos"].items() if "." not in part)
    return [
        f"{protocol['rouge']}. {protocol['seeds']} training seeds, mean ± sd; every model trained under its own "
        f"condition for {protocol['steps']:,} steps of {protocol['batch_size']}; beam {protocol['beams']}. "
        f"Intervals: {protocol['bootstrap']}. Videos: {counts}. All runs: {protocol['cpu_s'] / 60:.0f} CPU minutes."
    ]


def _targets(found: Mapping[str, Any]) -> list[str]:
    rows = [
        (line["target"], line["limit"], figure(line["test"]), figure(line["ood"]), "yes" if line["met"] else "**no**")
        for line in found["targets"]
    ]
    return table(("target", "limit", "test", "out of distribution", "met"), rows)


def _vision(found: Mapping[str, Any]) -> list[str]:
    chance = found["chance"]
    slots = [f"{slot} (chance {chance[slot]:.1f})" for slot in ("action", "ingredient", "tool")]
    keys = (
        "hidden",
        "hidden_action",
        "hidden_ingredient",
        "hidden_tool",
        "rouge_l",
        "tau_shuffled",
        "rouge_l_shuffled",
    )
    head = ("hidden slots, %", *slots, "ROUGE-L", "τ, shuffled narration", "ROUGE-L, shuffled narration")
    lines: list[str] = []
    for split, title in (("test", "Test split"), ("ood", "Out of distribution")):
        rows = [
            (label, *(_spread(found["scores"][name][split][key], key) for key in keys))
            for name, label in _SYSTEMS.items()
            if split in found["scores"][name]
        ]
        lines += [*([""] if lines else []), f"**{title}**", "", *table(("model", *head), rows)]
    return lines


def _seeking(found: Mapping[str, Any]) -> list[str]:
    keys = ("rouge_l", "hidden", "tau_shuffled")
    scores = found["scores"]["both"]
    rows = [
        (f"`{seek}`", where, *(_spread(scores[split + view][key], key) for key in keys))
        for where, split in _LONG.items()
        for seek, view in _SEEKS.items()
    ]
    head = ("seek", "triples of", "ROUGE-L", "hidden slots, %", "τ, shuffled narration")
    return ["**Long GOPs** (text and frames)", "", *table(head, rows), ""]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def figure(value: Any) -> str:
    """A number, a difference with its interval, or a dash."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return f"{value['mean']:+.2f} [{value['low']:+.2f}, {value['high']:+.2f}]"
    return f"{value:.3f}" if abs(value) <= 1 else f"{value:.1f}"


def _spread(value: Mapping[str, float], key: str) -> str:
    digits = 3 if key.startswith("tau") else 1
    return f"{value['mean']:.{digits}f} ± {value['sd']:.{digits}f}"
