import numpy as np
import pytest

from clipsum.encoders.clip import load_clip
from clipsum.models.config import ScorerConfig
from clipsum.models.guidance import guide, guiding_texts
from clipsum.models.text import timed_sentences
from clipsum.records import Segment, Transcript
from tests.encoders.tiny_clips import write_tiny_clip

SAID = Transcript((Segment("Cut the onion. Stir", 0.0, 4.0), Segment("the carrot with a spoon.", 4.0, 9.0)), "sidecar")
PLAIN = Transcript((Segment("Cut the onion. Stir the carrot."),), "manifest")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load_clip("tiny", str(write_tiny_clip(tmp_path_factory.mktemp("clip"))), precision="fp32")


def test_a_query_guides_before_the_transcript_and_that_before_the_summary():
    assert guiding_texts("onion", SAID, "Cut it.").origin == "query"
    assert guiding_texts("  ", SAID, "Cut it.").origin == "transcript"
    assert guiding_texts(None, Transcript(), "Cut it. Stir it.").texts == (Segment("Cut it."), Segment("Stir it."))
    assert guiding_texts(None, Transcript(), "Cut it.").origin == "summary"
    assert guiding_texts(None, Transcript(), "").origin == guiding_texts(None, Transcript()).origin == "none"


def test_sentences_from_where_the_scorer_learned_nothing_do_not_guide_it():
    of_transcripts = ScorerConfig(origins=("transcript",))
    assert guiding_texts(None, SAID, "Cut it.", of_transcripts).origin == "transcript"
    assert guiding_texts(None, Transcript(), "Cut it.", of_transcripts).texts == ()
    assert guiding_texts(None, SAID, "Cut it.", ScorerConfig(origins=("summary",))).origin == "summary"
    assert guiding_texts(None, SAID, "Cut it.", ScorerConfig(origins=())).origin == "none"
    assert guiding_texts(None, Transcript(), "Cut it.", ScorerConfig()).origin == "summary"  # nobody wrote it down
    assert guiding_texts("onion", SAID, None, of_transcripts).origin == "query"


def test_a_query_is_several_texts_the_whole_and_each_of_its_words_once():
    asked = guiding_texts(" chop the onion,\n the red onion? ", SAID)
    assert [text.text for text in asked.texts] == [
        "chop the onion, the red onion?",
        *("chop", "the", "onion", "red"),
    ]
    assert [text.text for text in guiding_texts("onion", SAID).texts] == ["onion"]


def test_a_sentence_has_the_time_of_its_words_where_captions_cut_it_apart():
    first, second = timed_sentences(SAID)
    assert first == Segment("Cut the onion.", 0.0, 3.0)
    assert second == Segment("Stir the carrot with a spoon.", 3.0, 9.0)


def test_a_sentence_has_no_time_where_a_part_of_it_has_none():
    mixed = Transcript((Segment("Cut the onion. Stir"), Segment("the carrot. Serve it.", 4.0, 9.0)))
    assert [(each.start_s is None, each.end_s is None) for each in timed_sentences(mixed)] == [
        *((True, True), (True, True), (False, False)),
    ]


def test_a_guide_has_the_encoders_own_vectors_of_the_texts_and_their_relative_times(encoder):
    told = guide(guiding_texts(None, SAID), encoder, duration_s=10.0)
    expected = encoder.encode_text(["Cut the onion.", "Stir the carrot with a spoon."])
    np.testing.assert_array_equal(told.vectors, expected)
    np.testing.assert_allclose(told.times, [[0.0, 0.3], [0.3, 0.9]])
    assert not told.asked


def test_texts_without_times_span_the_whole_video_and_a_query_is_marked_as_asked(encoder):
    told = guide(guiding_texts("cut the onion", PLAIN), encoder, 10.0)
    assert told.asked
    assert told.vectors.shape == (4, 24)
    assert told.times.tolist() == [[0.0, 1.0]] * 4
    assert guide(guiding_texts(None, PLAIN), encoder, 0.0).times.tolist() == [[0.0, 1.0]] * 2
    assert guide(guiding_texts(None, Transcript()), encoder, 10.0) is None


def test_captions_out_of_order_are_sorted_with_their_vectors(encoder):
    said = Transcript((Segment("Stir the carrot.", 5.0, 6.0), Segment("Cut the onion.", 1.0, 2.0)))
    told = guide(guiding_texts(None, said), encoder, 10.0)
    np.testing.assert_allclose(told.times, [[0.1, 0.2], [0.5, 0.6]])
    np.testing.assert_array_equal(told.vectors, encoder.encode_text(["Cut the onion.", "Stir the carrot."]))
