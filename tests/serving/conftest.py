"""A clock to set, the stand-in service anew for each test, a browser, and a page that may load nothing but its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import DESK
from tests.serving.stand_in import StandIn, served

LENGTH_S, FPS = 20, 10
Open = Callable[..., Page]


class Clock:
    """Tells the `now` that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def served_stand_in() -> Iterator[StandIn]:
    with served(StandIn()) as running:
        yield running


@pytest.fixture
def stand_in(served_stand_in: StandIn) -> StandIn:
    """The service with nothing asked yet, whose answer is a row."""
    served_stand_in.__init__(url=served_stand_in.url)  # type: ignore[misc]
    return served_stand_in


@pytest.fixture
def complaints() -> list[str]:
    """What pages asked for elsewhere, wrote to the console or raised, and should not have."""
    return []


@pytest.fixture
def open_page(browser: Browser, stand_in: StandIn, complaints: list[str]) -> Iterator[Open]:
    """Opens the page; afterwards fails where it asked for anything elsewhere, complained or raised a dialog."""
    contexts: list[BrowserContext] = []
    own = ("data:", "blob:", f"{stand_in.url}/")

    def opened(**options: Any) -> Page:
        contexts.append(browser.new_context(**{"viewport": DESK, **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: None if request.url.startswith(own) else complaints.append(request.url))
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(stand_in.url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of grey that grows lighter, as H.264 in mp4."""
    import av

    path = tmp_path_factory.mktemp("video") / "grey.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"  # type: ignore[attr-defined]
        for number in range(LENGTH_S * FPS):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))  # type: ignore[attr-defined]
        container.mux(stream.encode(None))  # type: ignore[attr-defined]
    return path
