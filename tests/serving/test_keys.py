"""API keys: who may come in, how often, and what is kept of a key."""

import contextlib
import hmac

import pytest

from clipsum.errors import UsageError
from clipsum.serving import keys
from clipsum.serving.keys import KeyRing, TokenBucket
from clipsum.serving.refusals import RefusedError


def refusal(ring, header, scope="summarize"):
    with pytest.raises(RefusedError) as caught:
        ring.admit(header, scope)
    return caught.value


def test_a_key_comes_in_and_no_other_word_does():
    secret, key = keys.new_key("app")
    ring = KeyRing([keys.new_key("other")[1], key])
    assert ring.admit(f"Bearer {secret}", "summarize") == "app"
    assert ring.admit(f"bearer {secret}", "jobs") == "app"
    for header in (
        None,
        "",
        "Bearer",
        "Bearer ",
        secret,
        f"Basic {secret}",
        f"Bearer {secret}x",
        f"Bearer {key.sha256}",
    ):
        refused = refusal(ring, header)
        assert (refused.status, refused.reason) == (401, "unauthorized")
        assert secret not in str(refused)


def test_a_key_of_odd_letters_is_refused_and_breaks_nothing():
    assert refusal(KeyRing([keys.new_key("app")[1]]), "Bearer \udcff\x00ключ").status == 401


def test_every_key_is_compared_in_constant_time_whatever_was_found_before(monkeypatch):
    (first, one), (_, two) = keys.new_key("one"), keys.new_key("two")
    seen = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: seen.append(b) or a == b)
    KeyRing([one, two]).admit(f"Bearer {first}", "summarize")
    assert seen == [one.sha256, two.sha256]


def test_a_key_does_what_its_scopes_say():
    secret, key = keys.new_key("app", ["jobs"])
    ring = KeyRing([key])
    assert ring.admit(f"Bearer {secret}", "jobs") == "app"
    assert refusal(ring, f"Bearer {secret}", "admin").status == 403
    assert "admin" not in keys.new_key("app")[1].scopes


def test_a_key_has_its_rate_and_is_told_when_to_come_again(clock):
    (secret, key), (other, second) = keys.new_key("app"), keys.new_key("other")
    ring = KeyRing([key.model_copy(update={"per_minute": 30, "burst": 3}), second], clock=clock)
    for _ in range(3):
        ring.admit(f"Bearer {secret}", "summarize")
    refused = refusal(ring, f"Bearer {secret}")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    ring.admit(f"Bearer {other}", "summarize")
    clock.now += 1.9
    refusal(ring, f"Bearer {secret}")
    clock.now += 0.2
    ring.admit(f"Bearer {secret}", "summarize")


def test_processes_share_a_rate(clock):
    admitted, (secret, key) = 0, keys.new_key("app")
    rings = [KeyRing([key.model_copy(update={"burst": 4})], processes=4, clock=clock) for _ in range(4)]
    for _ in range(600):  # a minute, with 40 requests a second
        clock.now += 0.1
        for ring in rings:
            try:
                ring.admit(f"Bearer {secret}", "summarize")
                admitted += 1
            except RefusedError:
                pass
    assert 58 <= admitted <= 64


def test_a_process_that_is_left_alone_grants_the_whole_rate(clock):
    secret, key = keys.new_key("app")
    ring = KeyRing([key.model_copy(update={"per_minute": 60, "burst": 4})], processes=4, clock=clock)

    def admitted(seconds):
        count = 0
        for _ in range(10 * seconds):
            clock.now += 0.1
            with contextlib.suppress(RefusedError):
                ring.admit(f"Bearer {secret}", "summarize")
                count += 1
        return count

    assert 15 <= admitted(60) <= 16
    clock.now += 4
    ring.share(1)
    assert [ring.admit(f"Bearer {secret}", "summarize") for _ in range(4)] == ["app"] * 4
    assert refusal(ring, f"Bearer {secret}").status == 429
    assert 59 <= admitted(60) <= 61
    clock.now += 60
    assert [ring.admit(f"Bearer {secret}", "summarize") for _ in range(4)] == ["app"] * 4
    ring.share(4)
    assert 15 <= admitted(60) <= 16


def test_a_bucket_holds_no_more_than_its_burst_however_long_it_waits(clock):
    bucket = TokenBucket(1.0, 2, clock)
    clock.now += 1e6
    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, 1.0]


def test_the_environment_gives_keys_and_hashes_and_keeps_no_key():
    secret = "a-long-and-random-secret"
    ring_keys = keys.keys_of(f" {secret}, sha256:{keys.hash_of('another-long-secret-word').upper()},")
    names = [key.name for key in ring_keys]
    assert secret not in repr(ring_keys)
    ring = KeyRing(ring_keys)
    assert ring.admit(f"Bearer {secret}", "summarize") == names[0]
    assert ring.admit("Bearer another-long-secret-word", "summarize") == names[1]
    assert keys.keys_of("") == ()


def test_a_key_of_the_environment_is_the_same_wherever_it_stands_and_however_it_is_written():
    one, other = "a-long-and-random-secret", "another-long-secret-word"
    orders = (f"{one},{other}", f"{other},{one}", f"{one},sha256:{keys.hash_of(one)},{other}")
    assert {KeyRing(keys.keys_of(order)).admit(f"Bearer {one}", "jobs") for order in orders} == {
        f"key-{keys.hash_of(one)[:12]}"
    }


@pytest.mark.parametrize("words", ["hunter2", "sha256:abc", f"sha256:{'g' * 64}"])
def test_a_weak_key_or_a_broken_hash_is_refused_without_repeating_it(words):
    with pytest.raises(UsageError, match="key 1 of CLIPSUM_API_KEYS") as caught:
        keys.keys_of(words)
    assert words not in str(caught.value)


def test_a_file_of_keys_is_read_back_as_it_was_written(tmp_path):
    (_, one), (_, two) = keys.new_key("one"), keys.new_key("two", ["admin"])
    path = tmp_path / "keys.toml"
    path.write_text(keys.toml_of(one) + keys.toml_of(two))
    assert keys.read_keys(path) == (one, two)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[key", "not valid TOML"),
        ("[[key]]\nname = 'a'\nsha256 = 'abc'", "key.0.sha256"),
        ("[[key]]\nname = 'a'", "sha256 is missing"),
        (f"[[key]]\nname = 'a'\nsha256 = '{'0' * 64}'\nscopes = ['root']", "root"),
    ],
)
def test_a_broken_file_of_keys_is_one_line(text, words, tmp_path):
    (tmp_path / "keys.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        keys.read_keys(tmp_path / "keys.toml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        keys.read_keys(tmp_path / "none.toml")


def test_two_keys_of_one_name_are_refused():
    with pytest.raises(UsageError, match="same name"):
        KeyRing([keys.new_key("a")[1], keys.new_key("a")[1]])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_without_keys_it_binds_to_loopback(host):
    keys.check_bind(host, KeyRing())


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "10.0.0.5", "example.org", "localhost.example.org"])
def test_without_keys_it_binds_to_nothing_else(host):
    with pytest.raises(UsageError, match="CLIPSUM_API_KEYS"):
        keys.check_bind(host, KeyRing())
    keys.check_bind(host, KeyRing([keys.new_key("app")[1]]))
