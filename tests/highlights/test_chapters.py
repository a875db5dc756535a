"""Chapters from shots and sentences."""

import numpy as np

from clipsum.highlights.chapters import chapters
from clipsum.highlights.segmentation import change_points
from clipsum.records import Chapter, Segment
from tests.highlights.test_segmentation import scenes
from tests.highlights.test_select import DURATION_S, embeddings

VIDEO = embeddings([20, 10, 20])
POINTS = change_points(VIDEO.vectors)
CENTRES = scenes([1, 1, 1], noise=0.0).astype(np.float32)
WRITTEN = [Segment("chop the onion."), Segment("boil it."), Segment("serve.")]


def test_each_shot_is_called_by_the_sentence_that_fits_its_frames_best_whatever_the_order_of_sentences():
    found = chapters(VIDEO, DURATION_S, POINTS, WRITTEN[::-1], CENTRES[::-1])
    assert found == [Chapter(0, 40, "Chop the onion"), Chapter(40, 60, "Boil it"), Chapter(60, 100, "Serve")]


def test_a_transcript_sentence_titles_no_shot_in_which_it_is_not_said():
    said = [Segment("chop the onion", 70.0, 80.0), Segment("now boil it", 0.0, 100.0)]
    found = chapters(VIDEO, DURATION_S, POINTS, said, np.stack([CENTRES[0], CENTRES.sum(axis=0)]))
    assert [chapter.title for chapter in found] == ["Now boil it"]


def test_neighbouring_shots_of_one_title_are_one_chapter():
    found = chapters(VIDEO, DURATION_S, POINTS, WRITTEN[:2], np.stack([CENTRES[0] + CENTRES[1], CENTRES[2]]))
    assert found == [Chapter(0, 60, "Chop the onion"), Chapter(60, 100, "Boil it")]


def test_without_vectors_of_texts_a_shot_is_called_by_what_is_said_in_it_for_longest():
    said = [*WRITTEN, Segment("first", 0.0, 35.0), Segment("second", 35.0, 70.0)]
    found = chapters(VIDEO, DURATION_S, POINTS, said, None)
    assert found == [Chapter(0, 40, "First"), Chapter(40, 100, "Second")]


def test_nothing_is_called_by_a_name_that_nobody_gave_it():
    assert chapters(VIDEO, DURATION_S, POINTS, [], None) == []
    assert chapters(VIDEO, DURATION_S, POINTS, WRITTEN, None) == []


def test_a_shot_in_which_nothing_is_said_goes_on_with_the_chapter_before_it():
    said = [Segment("first", 0.0, 35.0), Segment("last", 70.0, 90.0)]
    found = chapters(VIDEO, DURATION_S, POINTS, said, CENTRES[[0, 2]])
    assert found == [Chapter(0, 60, "First"), Chapter(60, 100, "Last")]
