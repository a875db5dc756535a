import pickle

import pytest

from clipsum.errors import REASONS, ItemError, UsageError, one_of, refused
from clipsum.records import Failure


def test_an_item_error_crosses_a_process_border_whole():
    error = pickle.loads(pickle.dumps(ItemError("corrupt", "decode", "packet 7", 8, 0.5)))
    assert (error.reason, error.stage, error.detail) == ("corrupt", "decode", "packet 7")
    assert (error.bytes_read, error.cpu_s) == (8, 0.5)
    assert str(error) == "corrupt at decode: packet 7"
    assert Failure.of(error) == Failure("corrupt", "decode", "packet 7")


def test_the_reasons_are_those_that_users_script_against():
    expected = "not_found access_denied not_a_video no_video_stream corrupt unsupported_codec too_long too_large"
    expected += " too_many_pixels timeout out_of_memory worker_died storage_error model_error"
    assert expected.split() == list(REASONS)


@pytest.mark.parametrize(
    ("value", "hint"), [("exactt", "(did you mean 'exact'?)"), ("zzz", "keyframe"), ("", "keyframe")]
)
def test_a_word_that_is_not_known_is_named_with_all_that_are_and_the_nearest(value, hint):
    message = str(one_of(value, ["exact", "keyframe"], "seek"))
    assert message.startswith(f"seek '{value}' is not known: use one of exact, keyframe")
    assert message.endswith(hint)


def test_where_many_words_are_allowed_the_nearest_comes_first():
    message = str(one_of("name7", [f"a_name{number}" for number in range(20)], "key"))
    assert message.startswith("key 'name7' is not known: did you mean 'a_name7'? All there are: a_name0, a_name1")
    assert message.endswith("a_name19")


def test_a_store_that_refuses_is_a_wrong_call_and_one_that_fails_is_not():
    assert isinstance(refused("'a' cannot be read", ItemError("access_denied", "open", "403")), UsageError)
    failed = refused("'a' cannot be read", ItemError("storage_error", "open", "503"))
    assert isinstance(failed, ItemError)
    assert (failed.reason, failed.detail) == ("storage_error", "'a' cannot be read: 503")
