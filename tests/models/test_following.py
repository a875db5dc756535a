"""Following a summary while it is written, and ending it early."""

import pytest

from clipsum.models.bundle import load_bundle
from clipsum.models.following import Listener
from clipsum.models.summarize import Summarizer
from clipsum.records import Segment, Transcript


@pytest.fixture(scope="module")
def summarizer() -> Summarizer:
    """That of the toy kitchen, whose beams agree early on how a summary begins."""
    return Summarizer(load_bundle())


BATCH = [
    (None, Transcript((Segment("we chop two cups of chicken with the knife"),), "manifest"), 1.0),
    (None, Transcript(), 1.0),
    (None, Transcript((Segment("stir a handful of grape in the pot. then press the fish"),), "manifest"), 1.0),
]


def test_what_is_heard_grows_towards_the_summary_and_changes_nothing_of_it(summarizer):
    heard = {}
    listener = Listener(lambda place, text: heard.setdefault(place, []).append(text), lambda _: False)
    followed = summarizer.summarize(BATCH, listener=listener)
    assert followed == summarizer.summarize(BATCH)
    assert set(heard) == {0, 2}
    for place, texts in heard.items():
        assert followed[place].text.startswith(texts[-1][:20])
        assert len(texts[-1]) > len(texts[0])


def test_what_nobody_waits_for_is_not_written_to_its_end(summarizer):
    steps = []
    ended = Listener(lambda *_: None, lambda _: steps.append(1) is None and len(steps) > 3)
    short = summarizer.summarize(BATCH[:1], listener=ended)
    assert len(steps) == 4  # once before it is begun
    assert len(short[0].text) < len(summarizer.summarize(BATCH[:1])[0].text)


def test_of_texts_that_are_not_written_together_those_that_nobody_waits_for_are_not_begun(summarizer, monkeypatch):
    written = []
    generate = summarizer._model.generate
    monkeypatch.setattr(summarizer._model, "generate", lambda **given: written.append(1) or generate(**given))
    monkeypatch.setattr(summarizer, "_room", 1)  # one by one
    alone = summarizer.summarize(BATCH)
    written.clear()
    followed = summarizer.summarize(BATCH, listener=Listener(lambda *_: None, {0: True, 2: False}.__getitem__))
    assert len(written) == 1
    assert [each.text for each in followed] == ["", "", alone[2].text]
