"""Small builders that tests share."""

import numpy as np

from app.domain.readings import Readings
from app.domain.windows import Rules

RULES = Rules(size=900, grace=300, threshold=116.0)


def some_readings(rows):
    """Rows of (sequence, timestamp, line, transformer, usagepoint, voltage)."""
    columns = list(zip(*rows, strict=True)) if rows else [[]] * 6
    return Readings(
        sequence=np.array(columns[0], np.int64),
        timestamp=np.array(columns[1], np.int64),
        line=np.array(columns[2], np.int32),
        transformer=np.array(columns[3], np.int32),
        usagepoint=np.array(columns[4], np.int32),
        voltage=np.array(columns[5], np.float32),
    )
