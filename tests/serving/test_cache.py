"""The cache: bounded in bytes, exact in its accounts, the least lately used goes first."""

import random
import threading

import pytest

from clipsum.errors import UsageError
from clipsum.serving.cache import ByteCache, CacheKey


def key(name, version="v1"):
    return CacheKey(name, version, "f1", "uniform:50", "auto", 5)


def test_the_least_lately_used_goes_and_the_bytes_are_exact():
    cache = ByteCache(10, len)
    cache.put(key("a"), b"1234")
    cache.put(key("b"), b"1234")
    assert cache.get(key("a")) == b"1234"
    cache.put(key("c"), b"12345")
    assert (cache.get(key("b")), cache.get(key("a")), cache.bytes_held) == (None, b"1234", 9)
    cache.put(key("a"), b"1")
    assert (cache.bytes_held, len(cache), cache.hits, cache.misses) == (6, 2, 2, 1)


def test_what_is_too_large_or_has_no_version_is_not_kept_and_pushes_nothing_out():
    cache = ByteCache(10, len)
    cache.put(key("a"), b"1234")
    assert not cache.put(key("b"), bytes(11))
    assert not cache.put(key("b", ""), b"1")
    assert (cache.bytes_held, len(cache)) == (4, 1)


def test_a_value_that_does_not_fit_is_a_miss_and_stays():
    cache = ByteCache(10, len)
    cache.put(key("a"), b"1234")
    assert cache.get(key("a"), lambda value: len(value) > 4) is None
    assert cache.get(key("a"), lambda value: len(value) == 4) == b"1234"
    assert (cache.hits, cache.misses) == (1, 1)


@pytest.mark.parametrize("field", CacheKey._fields)
def test_another_version_encoder_or_sampling_is_another_entry(field):
    cache = ByteCache(10, len)
    cache.put(key("a"), b"1")
    assert cache.get(key("a")._replace(**{field: "other"})) is None


def test_the_accounts_hold_under_many_threads():
    cache, over = ByteCache(1000, len), []

    def work(seed):
        chance = random.Random(seed)
        for _ in range(500):
            name = str(chance.randrange(30))
            if cache.get(key(name)) is None:
                cache.put(key(name), bytes(chance.randrange(1, 200)))
            if cache.bytes_held > 1200:
                over.append(cache.bytes_held)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not over
    assert cache.bytes_held == sum(size for _, size in cache._held.values()) <= 1000
    assert cache.hits + cache.misses == 4000


def test_a_negative_bound_is_a_wrong_call():
    with pytest.raises(UsageError, match="-1"):
        ByteCache(-1, len)
