"""The open windows of each lane, as a journaled table."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from app.domain.recent import RecentWindows
from app.domain.windows import COLUMNS, Delta, LaneWindows, Rules, WindowRows
from app.settings.windows import Windows
from app.worker import SmartMeter, app
from tables.journal import Body
from tables.table import JournaledTable

__all__ = ["LaneState", "delta_body", "maxima", "open_maxima", "rules_of"]

SNAPSHOT_ROWS_MAX = 20_000  # about 1.5 MB as JSON, below the topic's 4 MiB


class LaneState(LaneWindows):
    """A lane's windows that can be written to a journal and read back.

    recent holds what has closed since this worker has the lane, for its web view; a
    snapshot leaves it out, since the topic of closed windows has it.
    """

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        self.recent = RecentWindows()

    def apply(self, delta: Delta) -> WindowRows:
        """Add a delta; return the windows that it closes, in order, and keep them."""
        closed = super().apply(delta)
        self.recent.add(closed)
        return closed

    def apply_body(self, body: Body) -> None:
        """Add a delta that was read back; what it closes was published before it."""
        self.apply(
            Delta(
                sequence=body["sequence"],
                watermark=body["watermark"],
                counted=body["counted"],
                late=body["late"],
                rows=_rows(body),
            )
        )

    def snapshot_bodies(self) -> Iterable[Body]:
        """Return totals and open windows, in parts of bounded size."""
        rows = self.rows()
        totals = {
            "sequence": self.sequence,
            "watermark": self.watermark,
            "counted": self.counted,
            "late": self.late,
            "closed": self.closed,
        }
        for begin in range(0, max(len(rows), 1), SNAPSHOT_ROWS_MAX):
            part = rows.take(slice(begin, begin + SNAPSHOT_ROWS_MAX))
            yield {**totals, **_columns(part)}

    def restore_bodies(self, bodies: list[Body]) -> None:
        """Become the state that the parts of a snapshot describe."""
        totals = bodies[0]
        self.apply(
            Delta(
                sequence=totals["sequence"],
                watermark=totals["watermark"],
                counted=totals["counted"],
                late=totals["late"],
                rows=WindowRows.concatenate([_rows(body) for body in bodies]),
            )
        )
        self.closed = totals["closed"]


def delta_body(delta: Delta) -> Body:
    """Return a delta as the body of a journal record."""
    return {
        "sequence": delta.sequence,
        "watermark": delta.watermark,
        "counted": delta.counted,
        "late": delta.late,
        **_columns(delta.rows),
    }


def rules_of(windows: Windows) -> Rules:
    """Return the rules that the settings ask for."""
    return Rules(
        size=windows.size_seconds,
        grace=windows.grace_seconds,
        threshold=windows.threshold_volts,
    )


def open_maxima(stage: SmartMeter) -> JournaledTable[LaneState]:
    """Return the table of open windows of a stage."""
    rules = rules_of(stage.smartmeter.windows)
    return JournaledTable(
        stage,
        journal=stage.topology.windows_journal,
        sources=[stage.topology.readings],
        new_state=lambda: LaneState(rules),
        help="Open windows of each lane: count, minimum, maximum, mean.",
    )


maxima = open_maxima(app)


def _columns(rows: WindowRows) -> dict[str, Any]:
    return {name: getattr(rows, name) for name in COLUMNS}


def _rows(body: Body) -> WindowRows:
    return WindowRows(**{n: np.array(body[n], dtype) for n, dtype in COLUMNS.items()})
