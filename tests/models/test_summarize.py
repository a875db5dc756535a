import numpy as np
import pytest

from clipsum.config import Sampling
from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from clipsum.models.config import Generation
from clipsum.models.summarize import Summarizer
from clipsum.records import Segment, Transcript
from tests.models.tiny import PROSE, embeddings_of, frames, tiny_model, write_bundle

SAID = Transcript(tuple(Segment(text) for text in PROSE), "sidecar")
SILENT = Transcript()


@pytest.fixture(scope="module")
def summarizer(tmp_path_factory) -> Summarizer:
    folder = tmp_path_factory.mktemp("bundle")
    model = tiny_model(3, context="append", max_text_tokens=40)
    write_bundle(str(folder / "b"), folder / "clip", sampling=Sampling(frames=8), model=model)
    return Summarizer(load_bundle(str(folder / "b")))


def _embedded(summarizer: Summarizer, count: int, **changes):
    return embeddings_of(frames(count), summarizer.bundle.manifest.fingerprint, **changes)


def test_a_mixed_batch_says_for_each_video_what_its_summary_rests_on(summarizer):
    shown, blank = _embedded(summarizer, 8), _embedded(summarizer, 0)
    batch = [(shown, SAID, 30.0), (None, SAID, 30.0), (shown, SILENT, 30.0), (None, SILENT, 30.0), (blank, SILENT, 9.0)]
    summaries = summarizer.summarize(batch)
    assert [summary.evidence for summary in summaries] == ["both", "text", "frames", "none", "none"]
    assert [bool(summary.text) for summary in summaries] == [True, True, True, False, False]


def test_each_summary_is_the_same_alone_and_in_a_batch_in_any_order(summarizer):
    batch = [(_embedded(summarizer, 8), SAID, 30.0), (None, SILENT, 30.0), (None, SAID, 30.0)]
    batch += [(_embedded(summarizer, 5), SILENT, 30.0)]
    together = summarizer.summarize(batch)
    assert [summarizer.summarize([source])[0] for source in batch] == together
    assert summarizer.summarize(batch[::-1]) == together[::-1]


def test_an_empty_batch_or_one_without_evidence_is_fine(summarizer):
    assert summarizer.summarize([]) == []
    assert summarizer.summarize([(None, SILENT, 30.0)])[0].text == ""


def test_tokens_and_dropped_tokens_of_the_text_are_reported(summarizer):
    (summary,) = summarizer.summarize([(None, SAID, 30.0)])
    assert summary.text_tokens > 38
    assert summary.text_tokens - 38 <= summary.text_tokens_dropped < summary.text_tokens


def test_a_summary_holds_no_special_tokens(summarizer):
    (summary,) = summarizer.summarize([(_embedded(summarizer, 8), SAID, 30.0)])
    assert not any(token in summary.text for token in ("<s>", "</s>", "<pad>"))


@pytest.mark.parametrize(("changes", "message"), [
    ({"sampling": "uniform:50"}, "sampling 'uniform:50', bundle .* takes 'uniform:8'"),
    ({"seek": "exact"}, "seek 'exact', bundle .* takes 'auto'"),
])  # fmt: skip
def test_embeddings_of_another_sampling_or_seek_are_refused_with_both(summarizer, changes, message):
    with pytest.raises(UsageError, match=message):
        summarizer.summarize([(_embedded(summarizer, 8, **changes), SAID, 30.0)])


def test_embeddings_of_another_fingerprint_are_refused_with_both(summarizer):
    other = embeddings_of(frames(8), "e" * 64)
    with pytest.raises(UsageError, match=f"'{'e' * 64}', bundle .* takes '{summarizer.bundle.manifest.fingerprint}'"):
        summarizer.summarize([(None, SAID, 30.0), (other, SAID, 30.0)])


def test_another_seek_can_be_taken_on_purpose(summarizer):
    told = Summarizer(summarizer.bundle, seek="exact")
    assert told.summarize([(_embedded(told, 8, seek="exact"), SAID, 30.0)])[0].text


def test_the_callers_decoding_wins_over_the_bundles(summarizer):
    source = (_embedded(summarizer, 8), SAID, 30.0)
    short = summarizer.summarize([source], Generation(num_beams=1, max_tokens=3))[0].text
    assert len(short) < len(summarizer.summarize([source])[0].text)


def test_times_beyond_the_duration_do_no_harm(summarizer):
    assert summarizer.summarize([(_embedded(summarizer, 8), SAID, 5.0)])[0].text
    assert np.isfinite(frames(8)).all()
