"""Packed batches are, byte for byte, what the driver would have sent."""

import io

import numpy as np
import pytest
from cassandra import ConsistencyLevel
from cassandra.cqltypes import (
    BooleanType,
    DoubleType,
    FloatType,
    Int32Type,
    LongType,
    UTF8Type,
)
from cassandra.protocol import BatchMessage
from cassandra.query import UNSET_VALUE, BatchType
from hypothesis import given
from hypothesis import strategies as st

from app.sinks.cassandra import PackedMessage, PackedQueries
from app.sinks.packing import Limits, pack
from app.sinks.tables import RAW_DATA, Kind, Table
from tests.rows import a_raw_row, raw_columns

QUERY_ID = bytes(range(16))
LIMITS = Limits(rows=100, bytes=1 << 16)
CQL_TYPES = {
    Kind.INT: Int32Type,
    Kind.BIGINT: LongType,
    Kind.FLOAT: FloatType,
    Kind.DOUBLE: DoubleType,
    Kind.BOOLEAN: BooleanType,
    Kind.TEXT: UTF8Type,
}
ALL_KINDS = Table(
    name="all_kinds",
    columns={
        "place": Kind.INT,
        "moment": Kind.BIGINT,
        "some": Kind.FLOAT,
        "mean": Kind.DOUBLE,
        "alert": Kind.BOOLEAN,
        "note": Kind.TEXT,
    },
    partition=("place",),
    clustering=("moment",),
)


def by_the_driver(table, rows, version):
    """Encode rows (dictionaries; None: absent) as the driver does, value by value."""
    queries = [
        (
            True,
            QUERY_ID,
            [
                UNSET_VALUE
                if row[name] is None
                else CQL_TYPES[kind].to_binary(row[name], version)
                for name, kind in table.columns.items()
            ],
        )
        for row in rows
    ]
    return body_of(BatchMessage, queries, version)


def packed(batch, version):
    return body_of(PackedMessage, PackedQueries(batch), version)


def body_of(kind, queries, version):
    message = kind(
        BatchType.UNLOGGED, queries, ConsistencyLevel.QUORUM, timestamp=1_234_567
    )
    buffer = io.BytesIO()
    message.send_body(buffer, version)
    return buffer.getvalue()


def columns_of(table, rows):
    dtypes = {Kind.FLOAT: "f4", Kind.DOUBLE: "f8", Kind.TEXT: object, Kind.BOOLEAN: "?"}
    return {
        name: np.array(
            [np.nan if row[name] is None else row[name] for row in rows],
            dtypes.get(kind, "i8"),
        )
        for name, kind in table.columns.items()
    }


values = st.fixed_dictionaries(
    {
        "place": st.just(7),
        "moment": st.integers(-(2**63), 2**63 - 1),
        "some": st.none() | st.floats(width=32, allow_nan=False),
        "mean": st.none() | st.floats(allow_nan=False),
        "alert": st.booleans(),
        "note": st.text(max_size=5),
    }
)


@pytest.mark.parametrize("version", [4, 5])
@given(rows=st.lists(values, min_size=1, max_size=8, unique_by=lambda r: r["moment"]))
def test_packed_batches_are_what_the_driver_would_send(version, rows):
    for batch in pack(ALL_KINDS, columns_of(ALL_KINDS, rows), QUERY_ID, LIMITS):
        chosen = [rows[index] for index in batch.rows]
        assert by_the_driver(ALL_KINDS, chosen, version) == packed(batch, version)


def test_raw_rows_are_packed_as_the_driver_would_send_them():
    rows = [a_raw_row(usagepoint=n, voltage=100.5 + n) for n in range(1, 60)]
    (batch,) = pack(RAW_DATA, raw_columns(rows), QUERY_ID, LIMITS)
    assert by_the_driver(RAW_DATA, rows, 5) == packed(batch, 5)


raw_rows = st.lists(
    st.builds(
        a_raw_row,
        line=st.integers(1, 2),
        transformer=st.integers(1, 3),
        day=st.integers(1, 2),
        usagepoint=st.integers(1, 4),
        minute=st.integers(0, 3),
        voltage=st.floats(100, 130, width=32),
        demand=st.sampled_from([1.0, float("nan")]),
    ),
    max_size=60,
)


@given(rows=raw_rows, most=st.integers(1, 9))
def test_every_key_is_packed_once(rows, most):
    batches = pack(RAW_DATA, raw_columns(rows), QUERY_ID, Limits(rows=most, bytes=9999))
    last = {tuple(row[name] for name in RAW_DATA.key): i for i, row in enumerate(rows)}
    packed_rows = [int(index) for batch in batches for index in batch.rows]
    assert sorted(last.values()) == sorted(packed_rows)


@given(rows=raw_rows, most=st.integers(1, 9))
def test_a_batch_is_of_one_partition_and_within_its_limits(rows, most):
    limits = Limits(rows=most, bytes=1_000)
    for batch in pack(RAW_DATA, raw_columns(rows), QUERY_ID, limits):
        assert 1 == len(
            {tuple(rows[i][name] for name in RAW_DATA.partition) for i in batch.rows}
        )
        assert len(batch.rows) <= most
        assert len(batch.rows) == 1 or len(batch.body) <= limits.bytes
        assert len(batch.body) == len(batch.rows) * batch.width


def test_halves_of_a_batch_are_the_batch():
    rows = raw_columns([a_raw_row(usagepoint=n) for n in range(1, 8)])
    (batch,) = pack(RAW_DATA, rows, QUERY_ID, LIMITS)
    left, right = batch.halves()
    assert (3, 4) == (len(left.rows), len(right.rows))
    assert batch.body == left.body + right.body
    assert batch.routing_key == left.routing_key == right.routing_key


def test_routing_key_of_several_components_has_lengths_and_ends():
    (batch,) = pack(RAW_DATA, raw_columns([a_raw_row()]), QUERY_ID, LIMITS)
    parts = [11, 1, 2026, 3, 17]
    expected = b"".join(b"\0\4" + n.to_bytes(4, "big") + b"\0" for n in parts)
    assert expected == batch.routing_key


def test_routing_key_of_one_component_is_its_bytes():
    row = {"place": 7, "moment": 1, "some": 1, "mean": 1, "alert": True, "note": ""}
    (batch,) = pack(ALL_KINDS, columns_of(ALL_KINDS, [row]), QUERY_ID, LIMITS)
    assert (7).to_bytes(4, "big") == batch.routing_key
