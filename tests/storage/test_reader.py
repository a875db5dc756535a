from hypothesis import given
from hypothesis import strategies as st

from clipsum.storage.reader import AHEAD_BYTES, FIRST_BYTES, RemoteReader, coalesce

SPANS = st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 200)).map(lambda s: (s[0], s[0] + s[1])), max_size=12)


def test_near_ranges_share_a_request_and_far_ones_do_not():
    assert coalesce([(500, 510), (0, 10), (15, 20), (20, 30)], gap_bytes=5) == [(0, 30), (500, 510)]


def test_a_group_does_not_grow_without_end():
    groups = coalesce([(at, at + 10) for at in range(0, 100, 10)], gap_bytes=0, group_bytes=30)
    assert groups == [(0, 30), (30, 60), (60, 90), (90, 100)]


@given(SPANS, st.integers(0, 50), st.integers(1, 300))
def test_each_range_lies_whole_in_one_group(spans, gap, size):
    groups = coalesce(spans, gap, size)
    assert all(any(first <= start and stop <= last for first, last in groups) for start, stop in spans)
    assert groups == sorted(groups)


@given(
    st.binary(min_size=1, max_size=400),
    st.lists(st.tuples(st.integers(0, 420), st.integers(-1, 420)), max_size=8),
    st.integers(0, 60),
)
def test_reads_through_the_buffer_are_slices_of_the_whole(data, reads, first):
    asked = []

    def fetch(start, stop):
        asked.append((start, stop))
        return data[start:stop]

    reader = RemoteReader(data[:first], len(data), "v", fetch)
    for at, size in reads:
        reader.seek(at)
        assert reader.read(size) == (data[at:] if size < 0 else data[at : at + size])
    assert reader.read_ranges(reads) == [data[start : max(stop, 0)] for start, stop in reads]
    assert reader.bytes_read == len(data[:first]) + sum(stop - start for start, stop in asked)


def test_read_ahead_doubles_while_reads_follow_each_other_and_shrinks_after_a_jump():
    size = 100 * AHEAD_BYTES
    asked = []

    def fetch(start, stop):
        asked.append(stop - start)
        return bytes(stop - start)

    reader = RemoteReader(bytes(FIRST_BYTES), size, "v", fetch)
    reader.seek(FIRST_BYTES)
    while reader.tell() < 40 * 2**20:
        reader.read(32 * 2**10)
    reader.seek(90 * AHEAD_BYTES)
    reader.read(10)
    assert asked[:3] == [2 * FIRST_BYTES, 4 * FIRST_BYTES, 8 * FIRST_BYTES]
    assert max(asked) == AHEAD_BYTES
    assert asked[-1] == FIRST_BYTES
