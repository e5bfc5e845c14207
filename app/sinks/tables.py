"""The tables of the keyspace as typed data; schema.cql creates them.

Column names, and the order in which they stand, are the seed's where it had the table.
`smartmeter schema check` compares these with what Cassandra has.
"""

from dataclasses import dataclass
from enum import Enum

__all__ = [
    "AVERAGES",
    "LATE_READINGS",
    "MAX_VOLTAGE",
    "MODELS",
    "MODEL_PARTS",
    "PREDICTIONS",
    "RAW_DATA",
    "TABLES",
    "TEMPERATURE",
    "TEMPERATURE_FORECAST",
    "VOLTAGE_ALERTS",
    "WINDOWS",
    "Kind",
    "Table",
]


class Kind(Enum):
    """A CQL type, and how NumPy writes its value (text has no fixed width)."""

    INT = ("int", ">i4")
    BIGINT = ("bigint", ">i8")
    FLOAT = ("float", ">f4")
    DOUBLE = ("double", ">f8")
    BOOLEAN = ("boolean", "u1")
    TEXT = ("text", "")

    def __init__(self, cql: str, dtype: str) -> None:
        self.cql = cql
        self.dtype = dtype


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A table that rows are upserted into.

    columns name every column with its kind; partition and clustering name those of the
    primary key. A column outside the key may be absent from a row.
    """

    name: str
    columns: dict[str, Kind]
    partition: tuple[str, ...]
    clustering: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return self.partition + self.clustering

    def insert(self, keyspace: str) -> str:
        """Return the statement that upserts one row, all columns bound in order."""
        names = ", ".join(self.columns)
        marks = ", ".join("?" * len(self.columns))
        # Names come from this module and a validated setting, never from input.
        return f"INSERT INTO {keyspace}.{self.name} ({names}) VALUES ({marks})"  # noqa: S608


RAW_DATA = Table(
    name="raw_data",
    columns={
        "line": Kind.INT,
        "transformer": Kind.INT,
        "usagepoint": Kind.INT,
        "year": Kind.INT,
        "month": Kind.INT,
        "day": Kind.INT,
        "hour": Kind.INT,
        "minute": Kind.INT,
        "second": Kind.INT,
        "day_of_week": Kind.INT,
        "demand": Kind.FLOAT,
        **{f"val{number}": Kind.FLOAT for number in range(3, 13)},
        "voltage": Kind.FLOAT,
    },
    partition=("line", "transformer", "year", "month", "day"),
    clustering=("usagepoint", "hour", "minute", "second"),
)

LATE_READINGS = Table(
    name="late_readings",
    columns={
        **{name: RAW_DATA.columns[name] for name in RAW_DATA.key},
        "sequence": Kind.BIGINT,
        "voltage": Kind.FLOAT,
        "late_by": Kind.BIGINT,
    },
    partition=RAW_DATA.partition,
    clustering=RAW_DATA.clustering,
)

WINDOWS = Table(
    name="windows",
    columns={
        "line": Kind.INT,
        "year": Kind.INT,
        "month": Kind.INT,
        "day": Kind.INT,
        "transformer": Kind.INT,
        "start": Kind.BIGINT,
        "count": Kind.BIGINT,
        "minimum": Kind.FLOAT,
        "maximum": Kind.FLOAT,
        "mean": Kind.DOUBLE,
        "usagepoint": Kind.INT,
        "over": Kind.BIGINT,
        "verdict": Kind.TEXT,
    },
    partition=("line", "year", "month", "day"),
    clustering=("transformer", "start"),
)

MAX_VOLTAGE = Table(
    name="max_voltage",
    columns={"epoch": Kind.BIGINT, "voltage": Kind.FLOAT},
    partition=("epoch",),
)

TEMPERATURE = Table(
    name="temperature",
    columns={"epoch": Kind.BIGINT, "temperature": Kind.FLOAT},
    partition=("epoch",),
)

TEMPERATURE_FORECAST = Table(
    name="temperature_forecast",
    columns={"epoch": Kind.BIGINT, "hours": Kind.INT, "temperature": Kind.FLOAT},
    partition=("epoch",),
    clustering=("hours",),
)

PREDICTIONS = Table(
    name="predictions",
    columns={
        "line": Kind.INT,
        "year": Kind.INT,
        "month": Kind.INT,
        "day": Kind.INT,
        "transformer": Kind.INT,
        "epoch": Kind.BIGINT,
        "hours": Kind.INT,
        "made": Kind.BIGINT,
        "threshold": Kind.FLOAT,
        "temperature": Kind.FLOAT,
        "probability": Kind.DOUBLE,
        "alert": Kind.BOOLEAN,
    },
    partition=("line", "year", "month", "day"),
    clustering=("transformer", "epoch", "hours"),
)

AVERAGES = Table(
    name="avg_voltage_by_transformer",
    columns={
        **{name: RAW_DATA.columns[name] for name in RAW_DATA.partition},
        "voltage_avg": Kind.FLOAT,
    },
    partition=("line", "transformer"),
    clustering=("year", "month", "day"),
)

VOLTAGE_ALERTS = Table(
    name="voltage_alerts",
    columns={
        **{name: RAW_DATA.columns[name] for name in RAW_DATA.partition},
        "epoch": Kind.BIGINT,
        "usagepoint": Kind.INT,
        "kind": Kind.TEXT,
        "voltage_avg": Kind.FLOAT,
        "voltage": Kind.FLOAT,
        "cleared": Kind.BIGINT,
        "raised": Kind.BIGINT,
        "acknowledged": Kind.BIGINT,
        "threshold": Kind.FLOAT,
        "count": Kind.BIGINT,
        "over": Kind.BIGINT,
        "verdict": Kind.TEXT,
        "peak": Kind.FLOAT,
        "peak_epoch": Kind.BIGINT,
    },
    partition=("line", "transformer"),
    clustering=("year", "month", "day", "epoch", "usagepoint", "kind"),
)

MODELS = Table(
    name="models",
    columns={
        "name": Kind.TEXT,
        "version": Kind.BIGINT,
        "made": Kind.BIGINT,
        "parts": Kind.INT,
        "summary": Kind.TEXT,
    },
    partition=("name",),
    clustering=("version",),
)

MODEL_PARTS = Table(
    name="model_parts",
    columns={
        "name": Kind.TEXT,
        "version": Kind.BIGINT,
        "part": Kind.INT,
        "state": Kind.TEXT,
    },
    partition=("name", "version"),
    clustering=("part",),
)

TABLES = (
    RAW_DATA,
    LATE_READINGS,
    WINDOWS,
    MAX_VOLTAGE,
    TEMPERATURE,
    TEMPERATURE_FORECAST,
    PREDICTIONS,
    AVERAGES,
    VOLTAGE_ALERTS,
    MODELS,
    MODEL_PARTS,
)
"""The tables that rows are written to."""
