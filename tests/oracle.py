"""What windows must hold, computed reading by reading from what was published.

Written without a look at app/domain: dictionaries, exact fractions, no NumPy.
"""

import struct
from dataclasses import dataclass, field
from fractions import Fraction


def as_float32(value):
    return struct.unpack(">f", struct.pack(">f", value))[0]


@dataclass
class OracleWindow:
    count: int = 0
    minimum: float = float("inf")
    maximum: float = float("-inf")
    total: Fraction = Fraction(0)
    over: int = 0
    usagepoint: int = 0

    @property
    def mean(self):
        return float(self.total / self.count)


@dataclass
class Oracle:
    """Readings by lane, in the order of the lane, with the watermark before each."""

    size: int
    grace: int
    threshold: float
    windows: dict = field(default_factory=dict)
    late: list = field(default_factory=list)

    def read(self, watermark, timestamp, line, transformer, usagepoint, voltage):
        """Take one reading, judged by the watermark that its lane had before."""
        start = timestamp // self.size * self.size
        if watermark is not None and start + self.size + self.grace <= watermark:
            self.late.append((timestamp, line, transformer, usagepoint, voltage))
            return
        volts = as_float32(voltage)
        window = self.windows.setdefault((start, line, transformer), OracleWindow())
        window.count += 1
        window.minimum = min(window.minimum, volts)
        if volts > window.maximum or (
            volts == window.maximum and usagepoint < window.usagepoint
        ):
            window.usagepoint = usagepoint
        window.maximum = max(window.maximum, volts)
        window.total += Fraction(volts)
        window.over += volts > self.threshold

    def fleet_maxima(self):
        maxima = {}
        for (start, _, _), window in self.windows.items():
            maxima[start] = max(window.maximum, maxima.get(start, window.maximum))
        return maxima
