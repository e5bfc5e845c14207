"""The numbers in acknowledgement subjects, read as columns or one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.deliveries import read_deliveries

PLAIN = "$JS.ACK.RAW.lane-3.1"
DOMAIN = "$JS.ACK.hub.ACCOUNTHASH.RAW.lane-3.1"
NANOSECONDS = 1_700_000_000_500_000_000

rows = st.tuples(
    st.integers(1, 2**63 - 1),
    st.integers(1, 10**6),
    st.integers(0, 10**9),
    st.integers(0, 10**7),
)


@given(st.lists(rows, min_size=1, max_size=60), st.sampled_from(["", "r@nd0m"]))
def test_whatever_lengths_the_numbers_have_they_are_read_in_order(given_rows, token):
    prefix, suffix = (DOMAIN, f".{token}") if token else (PLAIN, "")
    subjects = [
        f"{prefix}.{a}.{b}.{NANOSECONDS + c}.{d}{suffix}".encode()
        for a, b, c, d in given_rows
    ]
    said = read_deliveries(subjects)
    assert [row[0] for row in given_rows] == said.sequence.tolist()
    assert [row[1] for row in given_rows] == said.consumer_sequence.tolist()
    assert given_rows[-1][3] == said.pending
    arrival = (NANOSECONDS + given_rows[0][2]) * 1e-9
    assert arrival == pytest.approx(said.arrival[0], abs=1e-6)


def test_numbers_that_grow_a_digit_in_the_middle_are_read():
    subjects = [
        f"{PLAIN}.{number}.{number}.{NANOSECONDS}.{2_000 - number}".encode()
        for number in range(900, 1_100)
    ]
    said = read_deliveries(subjects)
    assert list(range(900, 1_100)) == said.consumer_sequence.tolist()
    assert all(column.flags.c_contiguous for column in said[:3])


@pytest.mark.parametrize(
    "subject",
    [b"", b"$JS.ACK.RAW.lane-3.1.7", b"$JS.ACK.RAW.lane-3.1.x.7.8.9", b"a.b.c"],
)
@pytest.mark.parametrize("count", [1, 40])
def test_what_acknowledges_nothing_is_refused(subject, count):
    with pytest.raises(ValueError):
        read_deliveries([subject] * count)
