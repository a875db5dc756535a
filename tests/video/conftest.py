"""Files that several tests of decoding use, made once."""

from pathlib import Path

import pytest

from tests.video import makers


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the recipes' files stand."""
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="session")
def plain(made: Path) -> Path:
    """An ordinary mp4 of 3.6 s with B-frames and a key frame each second."""
    return makers.make(makers.RECIPES[0], made)


@pytest.fixture(scope="session")
def large(made: Path) -> Path:
    """An mp4 of 3 s and some megabytes, of which the key frames are a small part."""
    options = {"g": "30", "bf": "3", "preset": "ultrafast", "qp": "4"}
    return makers.write(made / "large.mp4", "libx264", options, frames=makers.pictures(75, 640, 360))
