"""A lane's messages cut into frames: nothing lost, nothing split that must not be."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.wire.raw import RawMessage
from bridge.framing import frames_of
from tests.builders import some_readings


def a_batch(rows_of_message, first=1):
    """Messages with so many rows each; 0 rows: the message was rejected."""
    messages, rows = [], []
    for sequence, count in enumerate(rows_of_message, start=first):
        messages.append(RawMessage("s", b"", sequence, 0.0))
        rows += [(sequence, 900 + sequence, 11, 1, 1 + n, 110.0) for n in range(count)]
    return messages, some_readings(rows)


def cut(messages, readings, rows_max):
    return list(
        frames_of(
            readings,
            lane=3,
            first=messages[0].sequence,
            last=messages[-1].sequence,
            rows_max=rows_max,
            stamp=lambda latest: latest or 0,
        )
    )


@given(
    counts=st.lists(st.integers(0, 7), min_size=1, max_size=40),
    rows_max=st.integers(1, 12),
)
def test_frames_hold_every_row_once_and_never_part_a_message(counts, rows_max):
    messages, readings = a_batch(counts)
    frames = cut(messages, readings, rows_max)

    together = np.concatenate([frame.readings.sequence for frame in frames])
    assert readings.sequence.tolist() == together.tolist()
    assert (messages[0].sequence, messages[-1].sequence) == (
        frames[0].first,
        frames[-1].last,
    )
    for before, after in itertools.pairwise(frames):
        assert before.last + 1 == after.first
        assert not set(before.readings.sequence) & set(after.readings.sequence)
    for frame in frames:
        rows = frame.readings.sequence
        assert len(rows) <= rows_max or len(set(rows.tolist())) == 1
        assert all(frame.first <= row <= frame.last for row in rows)


def test_a_batch_without_a_usable_message_still_says_how_far_it_came():
    messages, readings = a_batch([0, 0, 0], first=41)
    (frame,) = cut(messages, readings, 500)
    assert (41, 43, 0) == (frame.first, frame.last, len(frame.readings))
