import pytest

from clipsum.errors import UsageError
from clipsum.metrics.pairs import read_pairs


def _files(tmp_path, references, predictions):
    places = tmp_path / "r.txt", tmp_path / "p.txt"
    for place, text in zip(places, (references, predictions), strict=True):
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tuple(map(str, places))


def test_lines_belong_together_by_their_number_and_a_prediction_may_be_empty(tmp_path):
    pairs = read_pairs(*_files(tmp_path, "a b\nc d\ne\n", "x\r\n\r\ny\r\n"))
    assert (pairs.references, pairs.predictions) == (("a b", "c d", "e"), ("x", "", "y"))
    assert pairs.ids == ("1", "2", "3")


def test_a_line_separator_of_unicode_inside_a_text_starts_no_new_line(tmp_path):
    assert read_pairs(*_files(tmp_path, "a\u2028b\nc", "x\ny")).references == ("a\u2028b", "c")


def test_with_ids_lines_are_matched_by_their_first_word_in_any_order(tmp_path):
    pairs = read_pairs(*_files(tmp_path, "v1 chop it\nv2 stir\n", "v2 stirred\nv1\n"), has_ids=True)
    assert pairs.ids == ("v1", "v2")
    assert pairs.references == ("chop it", "stir")
    assert pairs.predictions == ("", "stirred")


def test_ids_end_at_a_tab_too_and_a_byte_order_mark_is_no_part_of_the_first(tmp_path):
    pairs = read_pairs(*_files(tmp_path, "\ufeffv1\tchop it\nv2\tstir\n", "v1 chopped\nv2 stirred\n"), has_ids=True)
    assert (pairs.ids, pairs.references) == (("v1", "v2"), ("chop it", "stir"))


@pytest.mark.parametrize(("references", "predictions", "ids", "message"), [
    ("a\nb\n", "a\n", False, r"'.*r.txt' has 2 lines and '.*p.txt' has 1: give a prediction for each"),
    ("", "a\n", False, r"'.*r.txt' is empty"),
    ("a\n", "\n \n", False, r"'.*p.txt' is empty"),
    ("a\n\nb\n", "x\ny\nz\n", False, r"'.*r.txt' has no text at line 2: remove it"),
    ("v1 a\nv2 b", "v1 a", True, r"'.*p.txt' lacks 1 of the ids, such as 'v2'"),
    ("v1 a", "v1 a\nv3 b", True, r"'.*r.txt' lacks 1 of the ids, such as 'v3'"),
    ("v1 a\nv1 b", "v1 a", True, r"'.*r.txt' has 2 lines that open with 'v1'"),
    ("v1\n", "v1 a", True, r"'.*r.txt' has no text at id 'v1'"),
    (b"\xff\xfe\n", "a", False, r"'.*r.txt' is not a text file in UTF-8"),
])  # fmt: skip
def test_files_that_do_not_match_are_refused_in_one_line(tmp_path, references, predictions, ids, message):
    with pytest.raises(UsageError, match=message):
        read_pairs(*_files(tmp_path, references, predictions), has_ids=ids)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.txt' cannot be read"):
        read_pairs(str(tmp_path / "nowhere.txt"), str(tmp_path / "nowhere.txt"))
