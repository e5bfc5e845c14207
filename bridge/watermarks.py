"""How far each lane has come in event time, and whom an idle lane follows."""

from collections.abc import Iterable, Mapping

from app.domain.windows import NO_TIME

__all__ = ["Watermarks"]

HEARSAY_SECONDS = 2.5
"""How old the word of another bridge may be, beside the silence that it speaks of."""


class Watermarks:
    """The watermark of each lane: the latest time among its readings, epoch seconds.

    A lane without readings would hold the fleet's windows open for ever. So a lane that
    has been silent for idle_seconds, counted on the clock that is passed in, follows
    the slowest of the lanes that are not, those of other bridges included. What they
    say is a little old, which can only make a follower slower.

    >>> watermarks = Watermarks(idle_seconds=1.0)
    >>> watermarks.advance(0, 1800, now=10.0), watermarks.advance(1, 2700, now=10.0)
    (1800, 2700)
    >>> watermarks.follow(2, now=10.5) # has been looked at for the first time
    >>> watermarks.follow(2, now=12.0)
    1800
    """

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._reached: dict[int, int] = {}
        self._read_at: dict[int, float] = {}
        self._first_look: dict[int, float] = {}
        self._heard: set[int] = set()

    def restore(self, lane: int, watermark: int) -> None:
        """Set what Kafka says of a lane; a watermark never falls."""
        self._reached[lane] = max(watermark, self._reached.get(lane, NO_TIME))

    def advance(self, lane: int, latest: int, *, now: float) -> int:
        """Note readings up to a time; return the lane's watermark."""
        self.restore(lane, latest)
        self._read_at[lane] = now
        self._heard.discard(lane)
        return self._reached[lane]

    def of(self, lane: int) -> int:
        """Return a lane's watermark."""
        return self._reached.get(lane, NO_TIME)

    def said(self, lanes: Iterable[int], *, now: float) -> dict[int, tuple[int, float]]:
        """Return of lanes that have read: the watermark, and seconds of silence."""
        return {
            lane: (self._reached[lane], max(0.0, now - self._read_at[lane]))
            for lane in lanes
            if lane in self._read_at
        }

    def hear(self, said: Mapping[int, tuple[int, float]], *, now: float) -> None:
        """Note what another bridge says of the lanes that it carries."""
        for lane, (watermark, silent_seconds) in said.items():
            self.restore(lane, watermark)
            self._read_at[lane] = now - silent_seconds
            self._heard.add(lane)

    def follow(self, lane: int, *, now: float) -> int | None:
        """Return the watermark that an idle lane may take; None where there is none."""
        first_look = self._first_look.setdefault(lane, now)
        silent_since = self._read_at.get(lane, first_look)
        if now - silent_since < self._idle_seconds or not self._read_at:
            return None
        latest = max(self._read_at.values())
        leaders = [
            self._reached[other]
            for other, read_at in self._read_at.items()
            if other != lane and read_at >= latest - self._patience(other)
        ]
        if not leaders or min(leaders) <= self.of(lane):
            return None
        self._reached[lane] = min(leaders)
        return self._reached[lane]

    def _patience(self, lane: int) -> float:
        return self._idle_seconds + (HEARSAY_SECONDS if lane in self._heard else 0.0)
