"""What is known of a stream's packets before any is decoded: times, key flags and, where the index tells, bytes."""

from dataclasses import dataclass, replace
from functools import cached_property

import av
import numpy as np
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from clipsum.config import Limits
from clipsum.errors import ItemError
from clipsum.video.container import Media, check_duration, packets_of

Entry = tuple[int, int, int, bool, bool]  # position, dts, size, key, discarded
COVER_FRAMES = 3  # an index may end this many frames before the stream's stated end
STATING = {"mp4", "matroska", "flv", "avi"}  # whose header states the duration; elsewhere libav may have guessed it
WHOLE = 0.8  # of the stated duration; a file that ends before is taken as cut off


@dataclass(frozen=True)
class Timeline:
    """The packets of a stream in decoding order, (P,) each.

    `pts`, `dts`: stream units; `seconds`: the player's clock; `keys`: key packets; `shown`: not cut off by an edit
    list; `positions`, `sizes`: bytes in the file, to be used only where `indexed`. `ordered` is False where the
    container keeps no presentation times (B-frames in avi): there the n-th frame decoded has the n-th time.
    `missing_s`: how long before its stated end the file breaks off. `frame_s`: how long a frame lasts. `keys_only`:
    the other packets are not known, nor the sizes.
    """

    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    seconds: NDArray[np.float64]
    keys: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    positions: NDArray[np.int64]
    sizes: NDArray[np.int64]
    duration_s: float
    indexed: bool
    ordered: bool
    missing_s: float = 0.0
    frame_s: float = 0.0
    keys_only: bool = False

    @cached_property
    def display(self) -> NDArray[np.int64]:
        """The shown packets, as places in decoding order, by rising time, each time once."""
        shown = np.flatnonzero(self.shown)
        _, first = np.unique(self.pts[shown], return_index=True)
        return shown[first]

    def start_of(self, packet: int, back: int = 0) -> int:
        """The key packet from which `packet` can be decoded, or the one `back` keys earlier; -1 where there is none.

        A picture that is shown before the key packet which precedes it in the file needs the key packet before.
        """
        before = self._key_packets[: np.searchsorted(self._key_packets, packet, side="right")]
        starts = before[self.pts[before] <= self.pts[packet]]
        return int(starts[-1 - back]) if len(starts) > back else -1

    @cached_property
    def _key_packets(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.keys)


def indexed_timeline(media: Media) -> Timeline | None:
    """By the container's own index (mp4, mov), reading no bytes; None where there is none, or not a whole one.

    The index holds decoding times only, so the container is demuxed over zeros: all that libav needs to know the
    presentation times is in the header. From then on `media` is good for its codec alone.
    """
    if "mp4" not in media.formats or media.source.fragmented:
        return None
    # plain copies: an entry borrows memory that moves
    entries = [(e.pos, e.timestamp, e.size, e.is_keyframe, e.is_discard) for e in media.stream.index_entries]
    media.source.blank = True
    pts: list[int] = []
    positions, duration = [], 0
    for place, packet in enumerate(packets_of(media, media.stream)):
        if packet.pts is None or place >= len(entries) or (entries[place][3] and _new_description(packet)):
            return None
        pts.append(packet.pts)
        positions.append(packet.pos)
        duration = packet.duration or duration
    if not pts or positions != [entry[0] for entry in entries]:
        return None
    timeline = _build(media, entries, pts, duration, indexed=True)
    stated_s = float((media.stream.duration or 0) * media.time_base)
    return timeline if timeline.duration_s > stated_s - COVER_FRAMES * _frame_s(media) else None


def cued_timeline(media: Media) -> Timeline | None:
    """By the key frames that a Matroska file's own index names, and its last packets; None where it has no index."""
    if "matroska" not in media.formats:
        return None
    media.source.spent = True
    try:
        media.container.seek(0, stream=media.stream)  # libav reads the index with the first seek
        cues = [entry.timestamp for entry in media.stream.index_entries if entry.is_keyframe]
        if len(cues) < 2:
            return None
        media.container.seek(cues[-1], stream=media.stream)
    except av.FFmpegError:
        return None
    last = [(packet.pts or 0, packet.duration or 0) for packet in packets_of(media, media.stream)]
    if not last or max(last)[0] < cues[-1]:
        return None
    timeline = _build(media, [(0, pts, -1, True, False) for pts in cues], cues, last[-1][1], indexed=False)
    end_s = float(media.seconds(np.array(max(last)[0]))) + timeline.frame_s
    return replace(timeline, duration_s=end_s, keys_only=True)


def scanned_timeline(
    media: Media, limits: Limits, aside: Stream | None = None
) -> tuple[Timeline, list["Packet[Stream]"]]:
    """By reading all packets and decoding none: times and key flags, no use of positions; and the packets of `aside`.

    Raises: ItemError corrupt, also where the file ends long before the end that its header states; too_long as soon as
    a frame stands past the limit.
    """
    entries: list[Entry] = []
    pts: list[int] = []
    kept = []
    duration, end_s = 0, 0.0
    for packet in packets_of(media, *media.container.streams):
        shown = packet.pts if packet.pts is not None else packet.dts
        if shown is None:
            continue
        end_s = max(end_s, (shown + (packet.duration or 0)) * float(packet.time_base) - media.start_s)
        if aside is not None and packet.stream_index == aside.index:
            kept.append(packet)
        elif packet.stream_index == media.stream.index:
            check_duration(shown * float(media.time_base) - media.start_s, limits)
            dts = packet.dts if packet.dts is not None else shown
            entries.append((packet.pos or 0, dts, packet.size, packet.is_keyframe, packet.is_discard))
            pts.append(shown)
            duration = packet.duration or duration
    if not pts:
        raise ItemError("corrupt", "index", "the video stream holds no packet")
    missing_s = _missing(media, end_s)
    return replace(_build(media, entries, pts, duration, indexed=False), missing_s=missing_s), kept


def _missing(media: Media, end_s: float) -> float:
    """The seconds between where the file ends and where its header says that it ends. Raises: ItemError corrupt."""
    stated_s = (media.container.duration or 0) / av.time_base if STATING.intersection(media.formats) else 0.0
    if end_s < WHOLE * stated_s:
        raise ItemError("corrupt", "index", f"the file breaks off after {end_s:.1f} s of {stated_s:.1f} s")
    return max(0.0, stated_s - end_s)


def _new_description(packet: "Packet[Stream]") -> bool:
    """True where the codec's set-up changes on the way: then a packet is not decodable by its bytes alone."""
    return any(note.data_type == "new_extradata" for note in packet.iter_sidedata())


def _build(media: Media, entries: list[Entry], pts: list[int], duration: int, indexed: bool) -> Timeline:
    positions, dts, sizes, keys, discarded = map(np.array, zip(*entries, strict=True))
    if discarded.all():
        raise ItemError("corrupt", "index", "the edit list hides every packet of the video stream")
    times = np.array(pts)
    seconds = media.seconds(times)
    frame_s = float(duration * media.time_base) or _frame_s(media)
    reordered = media.stream.codec_context.has_b_frames
    return Timeline(
        times,
        dts,
        seconds,
        keys,
        ~discarded,
        positions,
        sizes,
        duration_s=float(seconds[~discarded].max()) + frame_s,
        indexed=indexed,
        ordered=not ("avi" in media.formats and reordered and len(np.unique(times - dts)) == 1),
        frame_s=frame_s,
    )


def _frame_s(media: Media) -> float:
    rate = media.stream.average_rate or media.stream.guessed_rate
    return float(1 / rate) if rate else 0.04
