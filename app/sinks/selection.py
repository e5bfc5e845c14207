"""Which rows are wanted: days, a line, a transformer."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.sinks.base import Rows
from app.sinks.rows import length

__all__ = ["Selection"]

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Days in UTC, both included, a line and a transformer; None: all of them."""

    first: date | None = None
    last: date | None = None
    line: int | None = None
    transformer: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()

    def of(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which rows are wanted, by those of the columns that are there.

        A day is told by year, month and day, or by epoch.
        """
        wanted = np.ones(length(rows), bool)
        for name in ("line", "transformer"):
            value = getattr(self, name)
            if value is not None and name in rows:
                wanted &= rows[name] == value
        if "day" in rows:
            moment = rows["year"] * 10_000 + rows["month"] * 100 + rows["day"]
            bounds = [d and int(f"{d:%Y%m%d}") for d in (self.first, self.last)]
        elif "epoch" in rows:
            moment = rows["epoch"] // DAY_SECONDS
            bounds = [d and _epoch_day(d) for d in (self.first, self.last)]
        else:
            return wanted
        if bounds[0] is not None:
            wanted &= moment >= bounds[0]
        if bounds[1] is not None:
            wanted &= moment <= bounds[1]
        return wanted

    def take(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Return the rows that are wanted."""
        wanted = self.of(rows)
        return {name: column[wanted] for name, column in rows.items()}


def _epoch_day(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) // DAY_SECONDS
