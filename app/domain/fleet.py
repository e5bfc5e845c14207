"""The fleet's maximum per epoch, final once every lane has closed that epoch."""

from dataclasses import dataclass

__all__ = ["FleetMaxima", "LaneClosed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneClosed:
    """A lane has closed all windows before closed_to; maxima by window start, volts."""

    lane: int
    closed_to: int
    maxima: dict[int, float]


class FleetMaxima:
    """How far each lane has closed, and the maxima that wait for the others.

    >>> fleet = FleetMaxima(lanes=2)
    >>> fleet.apply(LaneClosed(lane=0, closed_to=1800, maxima={900: 117.0}))
    {}
    >>> fleet.apply(LaneClosed(lane=1, closed_to=1800, maxima={900: 118.5}))
    {900: 118.5}
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.closed_to: dict[int, int] = {}
        self.pending: dict[int, float] = {}

    @property
    def final_to(self) -> int | None:
        """End of the last epoch that every lane has closed; None before the first."""
        if len(self.closed_to) < self.lanes:
            return None
        return min(self.closed_to.values())

    def apply(self, event: LaneClosed) -> dict[int, float]:
        """Add what a lane closed; return the epochs that are now final, in order.

        A repeated event changes nothing: its epochs are closed already.
        """
        known = self.closed_to.get(event.lane)
        if known is not None and event.closed_to <= known:
            return {}
        for epoch, voltage in event.maxima.items():
            if known is None or epoch >= known:
                self.pending[epoch] = max(voltage, self.pending.get(epoch, voltage))
        self.closed_to[event.lane] = event.closed_to
        final_to = self.final_to
        if final_to is None:
            return {}
        due = sorted(epoch for epoch in self.pending if epoch < final_to)
        return {epoch: self.pending.pop(epoch) for epoch in due}
