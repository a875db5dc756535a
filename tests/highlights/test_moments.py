"""What the model finds in some videos: for the batch job and the service alike."""

import math
from dataclasses import replace

import numpy as np
import pytest

from clipsum.config import Sampling
from clipsum.encoders.load import load_texts
from clipsum.errors import UsageError
from clipsum.highlights import moments
from clipsum.highlights.moments import MomentFinder, Watched
from clipsum.highlights.select import HighlightConfig
from clipsum.models.bundle import load_bundle
from clipsum.models.config import ScorerConfig
from clipsum.models.summarize import Summarizer
from clipsum.records import Moments, Segment, Transcript
from tests.models.tiny import embeddings_of, frames, tiny_model, write_bundle

SAID = Transcript((Segment("Cut the onion.", 0.0, 12.0), Segment("Now boil it.", 12.0, 30.0)), "sidecar")


@pytest.fixture(scope="module")
def summarizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moments")
    model = tiny_model(scorer=ScorerConfig(ffn=48, match_threshold=0.5))
    write_bundle(str(folder / "b"), folder / "clip", sampling=Sampling(frames=8), model=model)
    return Summarizer(load_bundle(str(folder / "b")))


@pytest.fixture(scope="module")
def finder(summarizer):
    return MomentFinder(summarizer)


def _with_threshold(summarizer, threshold):
    """The finder of the same bundle with another threshold."""
    return _with(summarizer, match_threshold=threshold)


def _with(summarizer, **changes):
    """The finder of the same bundle, of whose scorer something else is on record."""
    manifest = summarizer.bundle.manifest
    scorer = manifest.model.scorer.model_copy(update=changes)
    model = manifest.model.model_copy(update={"scorer": scorer})
    other = replace(summarizer.bundle, manifest=manifest.model_copy(update={"model": model}))
    return MomentFinder(Summarizer(other))


def _watched(summarizer, shown=8, seed=0, **changes):
    seen = embeddings_of(frames(shown, seed=seed), summarizer.bundle.manifest.fingerprint)
    return Watched(
        **{"embeddings": seen, "transcript": SAID, "duration_s": 30.0, "summary": "chop it. boil it."} | changes
    )


def test_the_summary_guides_only_a_scorer_that_learned_from_summaries(summarizer):
    silent, dumb = (_watched(summarizer, transcript=Transcript(), summary=text) for text in ("chop it. boil it.", ""))
    for origins, guided in ((("query", "transcript"), False), (("summary",), True), (None, True)):
        told, untold = _with(summarizer, origins=origins).find([silent, dumb])
        assert np.allclose(told.frame_scores, untold.frame_scores) is not guided


def test_a_video_has_the_same_moments_alone_and_among_others_of_other_lengths(finder, summarizer):
    batch = [_watched(summarizer, shown, shown, queries=("onion",) * (shown % 2)) for shown in (8, 3, 1, 30)]
    batch.append(Watched(None, SAID, 30.0, "chop it."))
    for video, together in zip(batch, finder.find(batch), strict=True):
        (alone,) = finder.find([video])
        np.testing.assert_allclose(together.frame_scores, alone.frame_scores, atol=1e-5)
        assert [h.start_s for h in together.highlights] == [h.start_s for h in alone.highlights]
        assert together.chapters == alone.chapters
        assert [each.query for each in together.queries] == [each.query for each in alone.queries]


@pytest.mark.parametrize("shown", [1, 2, 3])
@pytest.mark.parametrize("transcript", [SAID, Transcript()])
@pytest.mark.parametrize("method", ["shots", "frames"])
def test_very_short_videos_with_and_without_words_have_moments_within_the_budget(summarizer, shown, transcript, method):
    finder = MomentFinder(summarizer, config=HighlightConfig(method=method))
    (found,) = finder.find([_watched(summarizer, shown, transcript=transcript, queries=("stir the pot",))])
    assert len(found.frame_scores) == len(found.queries[0].frame_scores) == shown
    assert all(0 < score < 1 for score in found.frame_scores)
    assert found.highlights
    if method == "shots":
        assert sum(each.end_s - each.start_s for each in found.highlights) <= 0.15 * 30.0 + 1e-9
    assert (found.chapters[0].start_s, found.chapters[-1].end_s) == (0.0, 30.0)


def test_words_without_frames_have_no_moment_and_answer_no_question(finder):
    (found,) = finder.find([Watched(None, SAID, 30.0, "chop it.", ("onion",))])
    assert (found.frame_scores, found.highlights, found.chapters) == ((), (), ())
    assert (found.queries[0].matched, found.queries[0].highlights) == (False, ())


def test_a_question_that_nothing_fits_has_low_scores_and_no_moment_and_says_so(summarizer):
    video = _watched(summarizer, queries=("onion", "a tiger"))
    (plain,) = MomentFinder(summarizer).find([video])
    onion, tiger = sorted(plain.queries, key=lambda each: -max(each.frame_scores))
    between = (max(onion.frame_scores) + max(tiger.frame_scores)) / 2
    assert max(onion.frame_scores) > max(tiger.frame_scores)
    (found,) = _with_threshold(summarizer, between).find([video])
    by_query = {each.query: each for each in found.queries}
    assert by_query[onion.query].matched is True
    assert by_query[onion.query].highlights
    assert by_query[tiger.query].matched is False
    assert by_query[tiger.query].highlights == ()
    assert max(by_query[tiger.query].frame_scores) < between


def test_what_reaches_the_threshold_alone_is_shown_for_a_question(summarizer):
    video = _watched(summarizer, 8, queries=("onion",))
    (plain,) = MomentFinder(summarizer).find([video])
    scores = np.array(plain.queries[0].frame_scores)
    threshold = float(np.sort(scores)[-2:].mean())
    (found,) = _with_threshold(summarizer, threshold).find([video])
    best_s = video.embeddings.times_s[scores.argmax()]
    assert [each.start_s <= best_s < each.end_s for each in found.queries[0].highlights] == [True]


def test_without_a_calibrated_threshold_nothing_is_said_of_a_match(summarizer):
    (found,) = _with_threshold(summarizer, None).find([_watched(summarizer, queries=("onion",))])
    assert found.queries[0].matched is None
    assert found.queries[0].highlights


def test_a_question_changes_its_own_scores_and_not_the_generic_ones(finder, summarizer):
    (plain,), (asked,) = (finder.find([_watched(summarizer, queries=queries)]) for queries in ((), ("onion", "pan")))
    np.testing.assert_allclose(plain.frame_scores, asked.frame_scores, atol=1e-6)
    onion, pan = (each.frame_scores for each in asked.queries)
    assert not np.allclose(onion, plain.frame_scores, atol=1e-6)
    assert not np.allclose(onion, pan, atol=1e-6)


def test_frames_past_the_stated_end_and_a_video_of_no_length_lose_no_row(finder, summarizer):
    video = _watched(summarizer)
    (short,) = finder.find([replace(video, duration_s=20.0)])
    assert 0 <= short.highlights[0].start_s < short.highlights[-1].end_s <= short.chapters[-1].end_s == 20.0
    assert sum(each.end_s - each.start_s for each in short.highlights) <= 0.15 * 20.0 + 1e-9
    still = replace(embeddings_of(frames(1), summarizer.bundle.manifest.fingerprint), times_s=np.zeros(1))
    (none,) = finder.find([Watched(still, SAID, 0.0)])
    assert (len(none.frame_scores), none.highlights, none.chapters) == (1, (), ())
    early = replace(video.embeddings, times_s=np.append(-3.0, video.embeddings.times_s[1:]))
    (on_time,), (shifted,) = finder.find([video]), finder.find([replace(video, embeddings=early)])
    assert [each.end_s for each in shifted.chapters][1:] == [each.end_s for each in on_time.chapters][1:]
    assert all(each.start_s >= 0 for each in shifted.highlights)


def test_a_bundle_without_a_scorer_finds_nothing_and_loads_no_second_encoder(tmp_path, monkeypatch):
    write_bundle(str(tmp_path / "b"), tmp_path / "clip", sampling=Sampling(frames=8))
    summarizer = Summarizer(load_bundle(str(tmp_path / "b")))
    monkeypatch.setattr(moments, "load_texts", None)
    assert MomentFinder(summarizer).find([_watched(summarizer)]) == [None]


@pytest.mark.parametrize("threshold", [0.0, None])
def test_a_question_of_which_the_encoder_knows_no_word_fits_nothing_whatever_its_vector(summarizer, threshold):
    class Onions:
        def encode_text(self, texts):
            return frames(len(texts))

        def reads(self, text):
            return "onion" in text

    manifest = summarizer.bundle.manifest
    scorer = manifest.model.scorer.model_copy(update={"match_threshold": threshold})
    model = manifest.model.model_copy(update={"scorer": scorer})
    other = replace(summarizer.bundle, manifest=manifest.model_copy(update={"model": model}))
    video = _watched(summarizer, queries=("onion", "xylophone"))
    onion, xylophone = MomentFinder(Summarizer(other), Onions()).find([video])[0].queries
    assert onion.matched is (None if threshold is None else True)
    assert onion.highlights
    assert (xylophone.matched, xylophone.highlights, set(xylophone.frame_scores)) == (False, (), {0.0})


def test_the_bundled_encoder_knows_the_words_of_its_kitchen_and_no_instruments():
    texts = load_texts(load_bundle().encoder_spec)
    assert [texts.reads(text) for text in ("onion", "is the onion there?", "xylophone", "")] == [
        True,
        True,
        False,
        False,
    ]


def test_of_the_bundles_encoder_the_text_side_alone_is_loaded(finder, summarizer):
    whole = summarizer.bundle.encoder()
    np.testing.assert_array_equal(finder.encoder.encode_text(["onion"]), whole.encode_text(["onion"]))
    assert finder.encoder.parameters + whole.parameters == sum(w.numel() for w in whole._model.parameters())


def test_embeddings_of_another_encoder_are_refused(finder):
    with pytest.raises(UsageError, match="embeddings have fingerprint"):
        finder.find([Watched(embeddings_of(frames(8), "another"), SAID, 30.0)])


def test_texts_are_embedded_together_and_each_once(summarizer):
    calls = []

    class Counting:
        def encode_text(self, texts):
            calls.append(texts)
            return frames(len(texts))

    MomentFinder(summarizer, Counting()).find(
        [_watched(summarizer, seed=seed, queries=("onion",)) for seed in range(3)]
    )
    (texts,) = calls
    assert sorted(texts) == sorted({"Cut the onion.", "Now boil it.", "chop it.", "boil it.", "onion"})


def test_moments_show_their_sizes_and_not_their_data():
    assert repr(Moments(frame_scores=(math.pi,) * 3)) == "Moments(frame_scores=3, highlights=0, chapters=0, queries=0)"
