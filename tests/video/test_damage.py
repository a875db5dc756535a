"""Broken files of every kind: each is decoded or has a reason, and none costs the child its life."""

import random
from pathlib import Path

import pytest

from clipsum.config import Limits, Preprocessing, Sampling
from clipsum.errors import ItemError
from clipsum.video.worker import VideoDecoder
from tests.video import makers

RESIZING = ("flipped", "head")


def broken(data: bytes, chance: random.Random) -> dict[str, bytes]:
    """The file in five states of ruin."""
    flipped, head, hole = bytearray(data), bytearray(data), bytearray(data)
    for _ in range(chance.choice([1, 10, 200])):
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    for _ in range(20):
        head[chance.randrange(min(2000, len(data)))] = chance.randrange(256)
    start = chance.randrange(len(data))
    hole[start : start + 4000] = bytes(len(data[start : start + 4000]))
    return {
        "cut": data[: chance.randrange(1, len(data))],
        "flipped": bytes(flipped),
        "head": bytes(head),
        "hole": bytes(hole),
        "turned": data[start:] + data[:start],
    }


def test_a_broken_file_is_decoded_or_has_a_reason_and_the_child_lives(made: Path, tmp_path: Path) -> None:
    chance = random.Random(11)
    outcomes, bad = {}, []
    limits = Limits(deadline_s=60, max_memory_bytes=2**30)
    with VideoDecoder(Preprocessing(size_px=32), Sampling(frames=5), "auto", limits) as videos:
        for recipe in makers.RECIPES:
            whole = makers.make(recipe, made).read_bytes()
            for state, data in broken(whole, chance).items():
                path = tmp_path / f"{state}_{recipe.name}"
                path.write_bytes(data)
                try:
                    outcomes[path.name] = "ok" if videos.decode(str(path), want_subtitles=True) else ""
                except ItemError as error:
                    outcomes[path.name] = error.reason
                    # a bit of a size may ask for gigabytes, which is refused; no other damage can
                    may_be_large = error.reason == "out_of_memory" and error.stage == "open" and state in RESIZING
                    if error.reason in ("worker_died", "timeout", "out_of_memory") and not may_be_large:
                        bad.append(f"{path.name}: {error}")
    assert not bad
    assert len(outcomes) == 5 * len(makers.RECIPES)
    assert {"ok", "corrupt", "not_a_video"} <= set(outcomes.values())


def test_a_programming_error_in_the_child_is_seen_as_its_death(plain: Path) -> None:
    with VideoDecoder(Preprocessing(), Sampling(), "auto", Limits()) as videos:
        with pytest.raises(ItemError, match="exit code 1") as caught:
            videos.decode(None)  # type: ignore[arg-type]
        assert caught.value.reason == "worker_died"
