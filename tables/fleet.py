"""How far each lane has closed, and the pending maxima, as a journaled table."""

from collections.abc import Iterable

from app.domain.fleet import FleetMaxima, LaneClosed
from app.worker import app
from tables.journal import Body
from tables.table import JournaledTable

__all__ = ["FleetState", "closed_body", "fleet", "lane_closed"]


class FleetState(FleetMaxima):
    """The fleet's maxima that can be written to a journal and read back.

    latest is the last epoch that became final here, and its maximum in volts; no
    journal has it, since it is for the metrics alone.
    """

    def __init__(self, lanes: int) -> None:
        super().__init__(lanes)
        self.latest: tuple[int, float] | None = None

    def apply(self, event: LaneClosed) -> dict[int, float]:
        """Add what a lane closed; return the epochs that are now final, in order."""
        final = super().apply(event)
        self.latest = max(final.items(), default=self.latest)
        return final

    def apply_body(self, body: Body) -> None:
        """Add events that were read back; what became final was published before."""
        for event in body["events"]:
            self.apply(lane_closed(event))

    def snapshot_bodies(self) -> Iterable[Body]:
        """Return everything as one part: an entry a lane, an entry a pending epoch."""
        yield {
            "closed_to": list(self.closed_to.items()),
            "pending": list(self.pending.items()),
        }

    def restore_bodies(self, bodies: list[Body]) -> None:
        """Become the state that a snapshot describes."""
        self.closed_to = {int(lane): int(to) for lane, to in bodies[0]["closed_to"]}
        self.pending = {int(e): float(v) for e, v in bodies[0]["pending"]}


def lane_closed(fields: Body) -> LaneClosed:
    """Return the event that a record of the partial maxima holds."""
    return LaneClosed(
        lane=int(fields["lane"]),
        closed_to=int(fields["closed_to"]),
        maxima=dict(zip(fields["epoch"], fields["voltage"], strict=True)),
    )


def closed_body(event: LaneClosed) -> Body:
    """Return an event as it stands in a journal."""
    return {
        "lane": event.lane,
        "closed_to": event.closed_to,
        "epoch": list(event.maxima),
        "voltage": list(event.maxima.values()),
    }


fleet: JournaledTable[FleetState] = JournaledTable(
    app,
    journal=app.topology.fleet_journal,
    sources=[app.topology.partial_maxima],
    new_state=lambda: FleetState(app.topology.lanes),
    help="How far each lane has closed, and maxima that wait for the other lanes.",
)
