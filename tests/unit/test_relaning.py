"""Frames in other lanes hold the same rows, in order, and nothing is late anew."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.domain.readings import Readings, lane_of
from app.domain.windows import NO_TIME
from app.wire.frames import Frame
from app.wire.relaning import Relaning

OLD = 4


@st.composite
def logs(draw):
    """A stream, cut into lanes and frames as bridges do it."""
    keys = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6)), max_size=60))
    lanes = {lane: [[]] for lane in range(OLD)}
    for sequence, (line, transformer) in enumerate(keys, start=1):
        frames = lanes[lane_of(line, transformer, OLD)]
        rows = draw(st.integers(1, 3))  # more than one: a batch
        time = 900 * sequence + draw(st.integers(-1_800, 1_800))
        frames[-1] += [(sequence, time, line, transformer, n) for n in range(rows)]
        if draw(st.booleans()):
            frames.append([])
    return {lane: list(frames_of(lane, parts)) for lane, parts in lanes.items()}


def frames_of(lane, parts):
    yield Frame(lane=lane, first=0, last=0, watermark=NO_TIME, readings=readings([]))
    last, watermark = 0, NO_TIME
    for rows in parts:
        if rows:
            last = rows[-1][0]
            watermark = max(watermark, *(row[1] for row in rows))
        yield Frame(
            lane=lane,
            first=rows[0][0] if rows else last,
            last=last,
            watermark=watermark,
            readings=readings(rows),
        )


def readings(rows):
    columns = np.array(rows, np.int64).reshape(-1, 5).T
    sequence, timestamp, line, transformer, usagepoint = columns
    return Readings(
        sequence=sequence,
        timestamp=timestamp,
        line=line.astype(np.int32),
        transformer=transformer.astype(np.int32),
        usagepoint=usagepoint.astype(np.int32),
        voltage=(100 + usagepoint).astype(np.float32),
        extra={"demand": sequence.astype(np.float32)},
    )


def rows_of(frame):
    columns = frame.readings
    return list(
        zip(
            columns.sequence.tolist(),
            columns.timestamp.tolist(),
            columns.line.tolist(),
            columns.transformer.tolist(),
            columns.usagepoint.tolist(),
            strict=True,
        )
    )


def relaned(log, lanes, rows_max):
    relaning = Relaning(old_lanes=OLD, lanes=lanes, rows_max=rows_max)
    left = {lane: iter(frames) for lane, frames in log.items()}
    made = []
    while needs := relaning.needs:
        for lane in needs:
            frame = next(left[lane], None)
            if frame is None:
                relaning.end(lane)
            else:
                relaning.give(lane, frame)
        made += relaning.take()
    return [*made, *relaning.closing()]


@given(logs(), st.integers(1, 9), st.integers(1, 5))
def test_rows_are_all_there_once_in_the_lane_of_their_transformer_and_in_order(
    log, lanes, rows_max
):
    made = relaned(log, lanes, rows_max)
    before = [
        row for frames in log.values() for each in frames for row in rows_of(each)
    ]
    after = [row for frame in made for row in rows_of(frame)]
    assert sorted(before) == sorted(after)
    for lane in range(lanes):
        mine = [frame for frame in made if frame.lane == lane]
        rows = [row for frame in mine for row in rows_of(frame)]
        assert sorted(row[0] for row in rows) == [row[0] for row in rows]
        assert {lane} >= {lane_of(row[2], row[3], lanes) for row in rows}


@given(logs(), st.integers(1, 9), st.integers(1, 5))
def test_rows_of_a_message_stay_in_one_frame(log, lanes, rows_max):
    places = {}
    for number, frame in enumerate(relaned(log, lanes, rows_max)):
        for row in rows_of(frame):
            assert number == places.setdefault(row[0], number)


@given(logs(), st.integers(1, 9))
def test_watermarks_grow_and_are_never_beyond_what_a_lane_had_reached(log, lanes):
    before = {}  # the watermark before each row's frame
    for frames in log.values():
        mark = NO_TIME
        for frame in frames:
            before |= {row[0]: mark for row in rows_of(frame)}
            mark = max(mark, frame.watermark)
    marks = dict.fromkeys(range(lanes), NO_TIME)
    for frame in relaned(log, lanes, 5):
        assert marks[frame.lane] <= frame.watermark
        for row in rows_of(frame):
            assert marks[frame.lane] <= before[row[0]]
        marks[frame.lane] = frame.watermark


@given(logs(), st.integers(1, 9))
def test_last_frame_of_each_lane_says_how_far_the_stream_was_carried(log, lanes):
    last = max(frame.last for frames in log.values() for frame in frames)
    made = relaned(log, lanes, 5)
    ends = {frame.lane: frame.last for frame in made}
    assert dict.fromkeys(range(lanes), last) == ends


def test_extra_columns_go_along():
    frames = frames_of(0, [[(1, 900, 1, 1, 1)], [(2, 900, 1, 1, 1)]])
    log = {0: list(frames), 1: [], 2: [], 3: []}
    made = [frame for frame in relaned(log, 2, 5) if len(frame.readings)]
    assert [[1.0], [2.0]] == [each.readings.extra["demand"].tolist() for each in made]
