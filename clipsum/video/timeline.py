"""What is known of a stream's packets before any is decoded: times, key flags and, where the index tells, bytes."""

from dataclasses import dataclass
from functools import cached_property

import av
import numpy as np
from numpy.typing import NDArray

from clipsum.errors import ItemError
from clipsum.video.container import Media, keep_only

COVER_FRAMES = 3  # an index may end this many frames before the stream's stated end


@dataclass(frozen=True)
class Timeline:
    """The packets of a stream in decoding order, (P,) each.

    `pts`, `dts`: stream units; `seconds`: the player's clock; `keys`: key packets; `shown`: not cut off by an edit
    list; `positions`, `sizes`: bytes in the file, to be used only where `indexed`. `ordered` is False where the
    container keeps no presentation times (B-frames in avi): there the n-th frame decoded has the n-th time.
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
        starts = np.flatnonzero(self.keys[: packet + 1] & (self.pts[: packet + 1] <= self.pts[packet]))
        return int(starts[-1 - back]) if len(starts) > back else -1


def indexed_timeline(media: Media) -> Timeline | None:
    """By the container's own index (mp4, mov), reading no bytes; None where there is none, or not a whole one.

    The index holds decoding times only, so the container is demuxed over zeros: all that libav needs to know the
    presentation times is in the header. From then on `media` is good for its codec alone.
    """
    if "mp4" not in media.formats or media.source.fragmented:
        return None
    # plain copies: an entry borrows memory that moves
    entries = [(e.pos, e.size, e.timestamp, e.is_keyframe, e.is_discard) for e in media.stream.index_entries]
    media.source.blank = True
    rows = _demux(media)
    if [row[:3] for row in rows] != [entry[:3] for entry in entries]:
        return None
    rows = [(*row[:5], *entry[3:]) for row, entry in zip(rows, entries, strict=True)]
    timeline = _build(media, rows, indexed=True)
    stated_s = float((media.stream.duration or 0) * media.time_base)
    return timeline if timeline.duration_s > stated_s - COVER_FRAMES * _frame_s(media) else None


def scanned_timeline(media: Media) -> Timeline:
    """By reading all packets and decoding none: times and key flags, no use of positions. Raises: ItemError corrupt."""
    return _build(media, _demux(media), indexed=False)


Row = tuple[int, int, int, int, int, bool, bool]  # position, size, dts, pts, duration, key, discarded


def _demux(media: Media) -> list[Row]:
    """One row a packet, up to the end or to where the file is broken."""
    keep_only(media.container, media.stream)
    rows: list[Row] = []
    try:
        for packet in media.container.demux(media.stream):
            dts = packet.dts if packet.dts is not None else packet.pts
            pts = packet.pts if packet.pts is not None else dts
            if media.source.blank and any(note.data_type == "new_extradata" for note in packet.iter_sidedata()):
                break  # the codec's set-up changes on the way: single packets are not enough
            if packet.size and pts is not None and dts is not None:
                position = -1 if packet.pos is None else packet.pos
                rows.append(
                    (position, packet.size, dts, pts, packet.duration or 0, packet.is_keyframe, packet.is_discard)
                )
    except av.FFmpegError:
        pass
    return rows


def _build(media: Media, rows: list[Row], indexed: bool) -> Timeline:
    if not rows:
        raise ItemError("corrupt", "index", "the video stream holds no packet")
    positions, sizes, dts, pts, durations, keys, discarded = map(np.array, zip(*rows, strict=True))
    seconds = media.seconds(pts)
    last = int(np.argmax(pts))
    tail_s = float(durations[last] * media.time_base) if durations[last] > 0 else _frame_s(media)
    made_up = "avi" in media.formats and media.stream.codec_context.has_b_frames and len(np.unique(pts - dts)) == 1
    return Timeline(
        pts,
        dts,
        seconds,
        keys,
        ~discarded,
        positions,
        sizes,
        duration_s=float(seconds[last]) + tail_s,
        indexed=indexed,
        ordered=not made_up,
    )


def _frame_s(media: Media) -> float:
    rate = media.stream.average_rate or media.stream.guessed_rate
    return float(1 / rate) if rate else 0.04
