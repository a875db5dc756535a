import pytest
from pydantic import Field

from clipsum.config import Config
from clipsum.errors import UsageError
from clipsum.training.recorded import check_recorded, differences


class Inner(Config):
    size: int = 2
    names: tuple[str, ...] = ("a",)


class Job(Config):
    rate: float = 0.5
    inner: Inner = Inner(size=7)
    maybe: Inner | None = None
    seed: int = Field(default=0, ge=0)


def record(**changes):
    return Job(**changes).model_dump(mode="json") | {"base": "x"}


def without(values, *keys):
    return {key: value for key, value in values.items() if key not in keys}


def test_a_key_that_the_record_lacks_was_done_as_its_default_does_it():
    assert differences(without(record(), "rate"), record(), Job) == {}
    assert differences(without(record(), "rate"), record(rate=0.6), Job) == {"rate": (0.5, 0.6)}


def test_a_section_that_the_record_lacks_has_the_default_of_the_section_and_a_key_in_one_its_own():
    assert differences(without(record(), "inner"), record(), Job) == {}
    half = record(maybe=Inner(size=3))
    half["maybe"] = without(half["maybe"], "names")
    assert differences(half, record(maybe=Inner(size=3)), Job) == {}
    assert differences(half, record(maybe=Inner(size=4)), Job) == {"maybe.size": (3, 4)}
    half["inner"] = {"names": ["a"]}
    assert differences(half, record(maybe=Inner(size=3)), Job) == {"inner.size": (2, 7)}


def test_a_key_that_is_known_no_more_is_a_difference():
    assert differences({**record(), "gone": 3}, record(), Job) == {"gone": (3, None)}


def test_what_differs_is_named_with_both_values_and_the_remedy_but_not_what_is_free():
    then, now = record(seed=1, inner=Inner(size=8)), record(rate=0.1) | {"base": "y"}
    said = (
        "'place' was begun with rate=0.5, inner.size=8, base=x, this call has rate=0.1, inner.size=7, base=y: go away"
    )
    with pytest.raises(UsageError) as error:
        check_recorded("place", then, now, Job, "go away", free={"seed"})
    assert str(error.value) == said
    with pytest.raises(UsageError, match=r"seed=0 and 1 more: go away"):
        check_recorded("place", then, now, Job, "go away")
    check_recorded("place", record(seed=1), record(), Job, "go away", free={"seed"})
