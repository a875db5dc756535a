import json

import pytest
from pydantic import Field, ValidationError, model_validator

from clipsum.config import Config, Limits, Preprocessing, Sampling, load
from clipsum.errors import UsageError


class Pool(Config):
    min_actors: int = 1
    max_actors: int = 2
    gpus: float = 0

    @model_validator(mode="after")
    def _bounds(self):
        if self.min_actors > self.max_actors:
            raise ValueError(f"min_actors={self.min_actors} is more than max_actors={self.max_actors}")
        return self


class Job(Config):
    name: str = "kitchen"
    seek: str | None = None
    sampling: Sampling = Sampling()
    decode: Pool | None = None
    ratios: tuple[float, ...] = ()
    share: float = Field(0.5, ge=0, le=1)
    is_quick: bool | None = None


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "job.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def refused(*arguments, **options):
    with pytest.raises(UsageError) as caught:
        load(Job, *arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_anything_the_defaults_hold():
    assert load(Job) == Job()
    assert load(Sampling).frames == 50


def test_a_file_is_read_and_words_override_it(toml):
    path = toml('name = "é"\nshare = 0.25\n[sampling]\nmode = "rate"\nrate_fps = 2\n')
    job = load(Job, path, ["sampling.rate_fps=0.5", "share = 1", "ratios=[1, 2.5]"])
    assert job == Job(name="é", share=1, sampling=Sampling(mode="rate", rate_fps=0.5), ratios=(1, 2.5))


def test_a_nested_key_reaches_an_optional_section():
    assert load(Job, overrides=["decode.max_actors=3"]).decode == Pool(max_actors=3)
    assert load(Job, overrides=["decode={max_actors=3, gpus=1}"]).decode == Pool(max_actors=3, gpus=1)


@pytest.mark.parametrize("text", ["kitchen tiny", "123", "1e5", "true", "2024-01-01", "a=b", "[x", "a#b", "s3://b/k"])
def test_where_words_are_wanted_words_are_taken_as_they_stand(text):
    assert load(Job, overrides=[f"name={text}"]).name == text
    assert load(Job, overrides=[f"seek={text}"]).seek == text


def test_quotes_around_words_are_no_part_of_them():
    assert load(Job, overrides=['name="a b"']).name == "a b"


def test_an_unknown_key_is_refused_with_the_nearest_at_any_depth(toml):
    assert "'samplin' is not known" in refused(overrides=["samplin.frames=3"])
    assert "did you mean 'sampling.frames'?" in refused(overrides=["sampling.frame=3"])
    assert "did you mean 'decode.gpus'?" in refused(overrides=["decode.gpu=1"])
    assert "did you mean 'share'?" in refused(toml("shar = 1\n"))
    assert "--set '=3' has no key before its '='" in refused(overrides=["=3"])


@pytest.mark.parametrize(("word", "said"), [
    ("sampling.frames=0", "sampling.frames '0': give a whole number from 1 to 100,000"),
    ("sampling.frames=many", "sampling.frames 'many': give a whole number from 1 to 100,000"),
    ("sampling.frames=2.5", "sampling.frames '2.5': give a whole number from 1 to 100,000"),
    ("sampling.rate_fps=0", "sampling.rate_fps '0': give a number above 0"),
    ("share=nan", "share 'nan': give a number from 0 to 1"),
    ("decode.gpus=x", "decode.gpus 'x': give a number"),
    ("ratios=3", "ratios '3': give a list, such as [1, 2]"),
    ("ratios=[1, 'x']", "ratios.1 'x': give a number"),
    ("is_quick=perhaps", "is_quick 'perhaps': give true or false"),
    ("sampling=much", "sampling 'much': this is a section: set one of its keys"),
    ("sampling.mode=rat", "sampling.mode 'rat' is not known: use one of uniform, rate (did you mean 'rate'?)"),
])  # fmt: skip
def test_a_bad_value_is_named_with_its_key_and_what_is_allowed(word, said):
    assert refused(overrides=[word]) == said


def test_what_a_check_of_several_values_says_is_said_with_its_section():
    said = refused(overrides=["decode.min_actors=5", "decode.max_actors=2"])
    assert said == "decode: min_actors=5 is more than max_actors=2"
    with pytest.raises(UsageError, match=r"^min_actors=5 is more than max_actors=2$"):
        load(Pool, overrides=["min_actors=5"])


def test_a_bad_value_of_a_file_is_told_too_and_a_long_one_is_cut(toml):
    assert "sampling.mode 'x' is not known: use one of uniform, rate" in refused(toml("[sampling]\nmode = 'x'\n"))
    assert len(refused(overrides=[f"share={'x' * 10_000}"])) < 300


def test_a_key_without_a_default_is_missing():
    class Needy(Config):
        name: str

    with pytest.raises(UsageError, match=r"^name is missing: give it a value$"):
        load(Needy)


def test_a_value_is_not_a_section():
    assert "'name' is a value, not a section" in refused(overrides=["name=a", "name.first=b"])
    assert "write it as key=value" in refused(overrides=["sampling.frames"])
    assert "write it as key=value" in refused(overrides=["=3"])


def test_a_file_that_cannot_be_read_is_named_with_the_cause(toml, tmp_path):
    assert "No such file" in refused(str(tmp_path / "nothing.toml"))
    assert "directory" in refused(str(tmp_path))
    assert "line 2" in refused(toml("share = 1\nshare = \n"))
    assert "not valid TOML" in refused(toml(b"name = '\xff'"))


def test_a_configuration_does_not_change_after_it_is_made():
    with pytest.raises(ValidationError):
        Sampling().frames = 3
    with pytest.raises(ValidationError):
        Limits(deadline=3)


def test_sampling_has_a_name_that_tells_its_numbers():
    assert str(Sampling()) == "uniform:50"
    assert str(Sampling(mode="rate", rate_fps=0.5, max_frames=7)) == "rate:0.5:7"


def test_what_neither_file_nor_words_say_is_as_in_the_base(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text("[sampling]\nframes = 7\n")
    base = Job(name="base", sampling=Sampling(mode="rate", frames=3, rate_fps=2.0))
    found = load(Job, str(path), ["sampling.max_frames=9"], base=base)
    assert found == Job(name="base", sampling=Sampling(mode="rate", frames=7, rate_fps=2.0, max_frames=9))


def test_a_crop_of_all_is_not_written_so_that_fingerprints_from_before_it_stand():
    assert "crop" not in Preprocessing().model_dump_json()
    cropped = Preprocessing(size_px=224, crop=0.875)
    assert (cropped.scaled_px, Preprocessing(**json.loads(cropped.model_dump_json()))) == (256, cropped)


def test_a_crop_that_was_computed_from_two_sizes_gives_the_larger_back():
    for scaled in range(224, 300):
        assert Preprocessing(size_px=224, crop=224 / scaled).scaled_px == scaled


@pytest.mark.parametrize("wrong", [float("inf"), float("nan"), 0, 8 * 24 * 3600])
def test_a_deadline_that_no_clock_can_wait_for_is_refused(wrong):
    with pytest.raises(ValidationError, match="deadline_s"):
        Limits(deadline_s=wrong)


@pytest.mark.parametrize("wrong", [float("inf"), float("nan")])
def test_a_number_without_end_is_no_setting(wrong):
    with pytest.raises(ValidationError, match="max_duration_s"):
        Limits(max_duration_s=wrong)
    with pytest.raises(ValidationError, match="rate_fps"):
        Sampling(rate_fps=wrong)
