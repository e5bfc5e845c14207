"""Messages of a lane to the values that Kafka gets for them: no I/O, no waiting."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from app.domain.readings import Readings
from app.topology import Topology
from app.wire.events import DeadLetter, encode_dead_letter
from app.wire.frames import Frame, encode_frame
from app.wire.meter import Limits, ReadingDecoder
from app.wire.raw import RawColumns, Rejected
from bridge.watermarks import Watermarks

__all__ = ["Framing", "Ready", "dead_letter", "frames_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What Kafka gets for some messages of a lane, and where the lane ends then.

    letters must be there before the frames are, because the frames say that their
    messages are done. last is the stream sequence that the frames reach; rows has the
    count of each frame; arrival, epoch seconds, is that of the first message, or
    nothing for an idle lane's frame.
    """

    frames: list[bytes]
    last: int
    rows: list[int]
    watermark: int
    letters: list[bytes] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    ack_subject: str = ""
    arrival: float = 0.0

    @property
    def size(self) -> int:
        """Bytes of all frames."""
        return sum(map(len, self.frames))


class Framing:
    """Cuts a lane's messages into frames, each message once."""

    def __init__(self, topology: Topology, lane: int, watermarks: Watermarks) -> None:
        self._lane = lane
        self._stream = topology.stream
        self._rows_max = topology.settings.bridge.frame_rows_max
        self._watermarks = watermarks
        self._decoder = ReadingDecoder(
            topology.lane_subject, Limits.from_settings(topology.settings)
        )
        self.last = 0

    def messages(self, messages: RawColumns, ack_subject: bytes) -> Ready:
        """Return what Kafka gets for messages; what is not behind `last` is dropped."""
        arrival = float(messages.arrival[0])
        before = np.maximum.accumulate([self.last, *messages.sequence[:-1]])
        fresh = messages.sequence > before
        if not fresh.all():  # the server sends again what it had no word of in time
            messages = messages.take(fresh)
        frames: list[bytes] = []
        rows: list[int] = []
        rejected: list[Rejected] = []
        if len(messages):
            first, last = int(messages.sequence[0]), int(messages.sequence[-1])
            readings, rejected = self._decoder.decode(messages)
            for frame in frames_of(
                readings,
                lane=self._lane,
                first=first,
                last=last,
                rows_max=self._rows_max,
                stamp=self._stamp,
            ):
                frames.append(encode_frame(frame))
                rows.append(len(frame.readings))
            self.last = last
        return Ready(
            frames=frames,
            last=self.last,
            rows=rows,
            watermark=self._watermarks.of(self._lane),
            letters=[
                encode_dead_letter(dead_letter(each, self._stream)) for each in rejected
            ],
            reasons=Counter(each.reason.value for each in rejected),
            ack_subject=ack_subject.decode(),
            arrival=arrival,
        )

    def idle(self) -> Ready | None:
        """Return a frame that carries an idle lane's watermark on, if it may go on."""
        watermark = self._watermarks.follow(self._lane, now=time.monotonic())
        if watermark is None:
            return None
        frame = Frame(
            lane=self._lane,
            first=self.last,
            last=self.last,
            watermark=watermark,
            readings=Readings.empty(),
        )
        return Ready(
            frames=[encode_frame(frame)],
            last=self.last,
            rows=[0],
            watermark=watermark,
        )

    def _stamp(self, latest: int | None) -> int:
        if latest is None:
            return self._watermarks.of(self._lane)
        return self._watermarks.advance(self._lane, latest, now=time.monotonic())


def frames_of(
    readings: Readings,
    *,
    lane: int,
    first: int,
    last: int,
    rows_max: int,
    stamp: Callable[[int | None], int],
) -> Iterator[Frame]:
    """Cut readings into frames, between messages.

    The last frame covers the last message even if nothing of it could be used; without
    any reading it is empty.

    Args:
        readings: In the order of the stream.
        lane: Theirs.
        first: Stream sequence of the first message.
        last: Stream sequence of the last message.
        rows_max: Most rows in a frame, but for a message that alone has more.
        stamp: Returns the watermark of a frame, given its latest time, if any.
    """
    begin = 0
    while begin < len(readings) or first <= last:
        end = begin + rows_max
        reached = last
        if end < len(readings):
            # A message's rows share its sequence, and stay together.
            sequence = readings.sequence
            cut = int(np.searchsorted(sequence, sequence[end]))
            if cut <= begin:
                cut = int(np.searchsorted(sequence, sequence[end], "right"))
            end, reached = cut, int(sequence[cut - 1])
        part = readings.take(slice(begin, end))
        latest = int(part.timestamp.max()) if len(part) else None
        yield Frame(
            lane=lane,
            first=first,
            last=reached,
            watermark=stamp(latest),
            readings=part,
        )
        begin, first = end, reached + 1


def dead_letter(item: Rejected, stream_name: str) -> DeadLetter:
    """Return a rejected message as a dead letter."""
    return DeadLetter(
        reason=item.reason,
        detail=item.detail,
        subject=item.message.subject,
        stream=stream_name,
        sequence=item.message.sequence,
        arrival=item.message.arrival,
        payload=item.message.payload,
    )
