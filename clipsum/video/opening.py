"""Open a video and settle which frames to fetch, by its own index where that is enough, else by reading all of it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from clipsum.config import Limits, Sampling, Seek
from clipsum.records import Segment
from clipsum.storage import RangeReader
from clipsum.video.container import Media, check_duration, open_media
from clipsum.video.plan import Target, choose
from clipsum.video.sampling import sample_times, stride_s
from clipsum.video.subtitles import indexed_packets, segments, subtitle_stream
from clipsum.video.timeline import Timeline, cued_timeline, indexed_timeline, scanned_timeline
from clipsum.video.ways import Way


class Opened(NamedTuple):
    """A video of which everything is known but the pictures. `media` lends its codec."""

    media: Media
    timeline: Timeline
    targets: list[Target]
    subtitles: tuple[Segment, ...]


@contextmanager
def opened(
    reader: RangeReader, limits: Limits, sampling: Sampling, seek: Seek, want_subtitles: bool, ways: Sequence[Way]
) -> Iterator[Opened]:
    """The video with its times and targets. Raises: ItemError as `open_media` and `scanned_timeline`."""

    def settled(media: Media, timeline: Timeline, subtitles: tuple[Segment, ...] = ()) -> Opened:
        check_duration(timeline.duration_s, limits)
        times_s = sample_times(sampling, timeline.duration_s)
        targets = choose(timeline, times_s, stride_s(times_s, timeline.duration_s), seek)
        return Opened(media, timeline, targets, subtitles)

    with ExitStack() as stack:
        media = stack.enter_context(open_media(reader, limits))
        texts = subtitle_stream(media.container) if want_subtitles else None
        timeline = indexed_timeline(media) if "index" in ways else None
        if timeline is not None:
            packets = indexed_packets(media, texts, reader) if texts else []
            yield settled(media, timeline, segments(media, texts, packets) if texts else ())
            return
        if "seek" in ways and seek != "exact" and texts is None and (timeline := cued_timeline(media)):
            found = settled(media, timeline)
            if found.targets:
                yield found
                return
        if media.source.spent:
            media = stack.enter_context(open_media(reader, limits))
            texts = subtitle_stream(media.container) if want_subtitles else None
        timeline, packets = scanned_timeline(media, limits, texts)
        yield settled(media, timeline, segments(media, texts, packets) if texts else ())
