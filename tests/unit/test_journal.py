"""A journal tells the same story whoever dies, pauses or writes twice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.folding import Slice, fold
from app.errors import StateDiverged
from tables.journal import Journal
from tables.maxima import LaneState, delta_body
from tests.builders import RULES, some_readings

TOPIC = "readings"
BASE = 1_700_000_100


class Broker:
    """A log of frames and a log of journal records, both append-only."""

    def __init__(self, frames):
        self.frames = frames
        self.journal = []

    def append(self, record):
        self.journal.append(record)
        return len(self.journal) - 1


class Worker:
    """A worker reduced to the steps between which it can die."""

    lives = 0

    def __init__(self, broker, generation):
        Worker.lives += 1
        self.broker = broker
        self.published = []
        self.journal = Journal(lambda: LaneState(RULES), f"worker-{Worker.lives}")
        for offset, record in enumerate(broker.journal):
            self.journal.read(offset, record)
        self.takeover = list(self.journal.begin_term(generation))

    def write_takeover(self, parts=None):
        for record in self.takeover[:parts]:
            self.journal.written(self.broker.append(record))

    def fold_group(self, size):
        """Fold the next frames; return what would be published and the record."""
        next_offset = self.journal.offsets.get(TOPIC, -1) + 1
        group = self.broker.frames[next_offset : next_offset + size]
        if not group:
            return None
        state = self.journal.state
        folded = fold(state, group)
        closed = state.apply(folded.delta)
        record = self.journal.delta(
            delta_body(folded.delta), {TOPIC: next_offset + len(group) - 1}
        )
        return rows_of(closed), record


def rows_of(rows):
    names = (
        "start",
        "key",
        "count",
        "minimum",
        "maximum",
        "total",
        "usagepoint",
        "over",
    )
    return list(zip(*(getattr(rows, name).tolist() for name in names), strict=True))


def make_frames(numbers):
    frames, watermark = [], 0
    for sequence, (minutes, voltage) in enumerate(numbers, start=1):
        timestamp = BASE + minutes * 60
        watermark = max(watermark, timestamp)
        readings = some_readings(
            [(sequence, timestamp, 11, 1 + sequence % 3, 1 + sequence % 4, voltage)]
        )
        frames.append(Slice(sequence, watermark, readings))
    return frames


def uninterrupted(frames):
    broker = Broker(frames)
    worker = Worker(broker, 1)
    worker.write_takeover()
    published, record = worker.fold_group(len(frames))
    broker.append(record)
    return published, worker.journal.state


frame_numbers = st.lists(
    st.tuples(st.integers(0, 120), st.floats(100, 130, width=32)),
    min_size=1,
    max_size=25,
)
CRASHES = ("no", "before results", "after results", "after journal", "in takeover")
schedules = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(CRASHES)), min_size=1, max_size=12
)


@settings(max_examples=300)
@given(numbers=frame_numbers, schedule=schedules)
def test_windows_are_exact_whatever_step_a_worker_dies_at(numbers, schedule):
    frames = make_frames(numbers)
    broker, generation, published = Broker(frames), 1, []
    worker = Worker(broker, generation)
    worker.write_takeover()
    for size, crash in [*schedule, *[(6, "no")] * 30]:
        folded = worker.fold_group(size)
        if crash != "no" or folded is None:
            if folded and crash in {"after results", "after journal"}:
                published += folded[0]
            if folded and crash == "after journal":
                broker.append(folded[1])
            if folded is None and crash == "no":
                break
            generation += 1
            worker = Worker(broker, generation)
            worker.write_takeover(0 if crash == "in takeover" else None)
            if crash == "in takeover":
                worker = Worker(broker, generation)
                worker.write_takeover()
            continue
        published += folded[0]
        worker.journal.written(broker.append(folded[1]))

    rows, state = uninterrupted(frames)
    assert rows == sorted(set(published))  # repeated rows are equal to the letter
    assert rows_of(state.rows()) == rows_of(worker.journal.state.rows())
    assert (state.counted, state.late, state.closed) == (
        worker.journal.state.counted,
        worker.journal.state.late,
        worker.journal.state.closed,
    )


@settings(max_examples=300)
@given(
    numbers=frame_numbers,
    sizes=st.lists(st.integers(1, 5), min_size=3, max_size=10),
    order=st.permutations(range(6)),
)
def test_a_paused_owner_that_wakes_cannot_mix_its_records_in(numbers, sizes, order):
    """The old owner's record lands before, between or after its successor's."""
    frames = make_frames(numbers)
    broker = Broker(frames)
    old = Worker(broker, 1)
    old.write_takeover()
    first = old.fold_group(sizes[0])
    if first:
        old.journal.written(broker.append(first[1]))
    held_back = [old.fold_group(size) for size in sizes[1:3]]
    new = Worker(broker, 2)
    writes = [("old", part[1]) for part in held_back if part]
    pending_new = [("new", record) for record in new.takeover]
    for size in sizes[3:] or [3]:
        folded = new.fold_group(size)
        if folded:
            pending_new.append(("new", folded[1]))
    # Each writer's own order holds; between them any order may come.
    slots = sorted(
        range(len(writes) + len(pending_new)), key=lambda n: (order[n % 6], n)
    )
    chosen = set(slots[: len(writes)])
    for number in range(len(writes) + len(pending_new)):
        source = writes if number in chosen and writes else pending_new or writes
        broker.append(source.pop(0)[1])

    reader = Journal(lambda: LaneState(RULES), "reader")
    for offset, record in enumerate(broker.journal):
        reader.read(offset, record)

    assert new.journal.offsets == reader.offsets
    assert rows_of(new.journal.state.rows()) == rows_of(reader.state.rows())


def test_a_record_written_twice_counts_once():
    broker = Broker(make_frames([(0, 110.0), (1, 111.0)]))
    worker = Worker(broker, 1)
    worker.write_takeover()
    for _ in range(2):
        _, record = worker.fold_group(1)
        broker.append(record)
        broker.append(record)
    reader = Worker(broker, 2)
    assert 2 == reader.journal.state.counted


def test_a_missing_step_is_never_read_over():
    broker = Broker(make_frames([(0, 110.0), (1, 111.0)]))
    worker = Worker(broker, 1)
    worker.write_takeover()
    worker.fold_group(1)
    _, record = worker.fold_group(1)
    broker.append(record)
    with pytest.raises(StateDiverged, match="step 2 follows step 0"):
        Worker(broker, 2)


def test_a_log_that_begins_with_a_snapshot_is_enough():
    frames = make_frames([(n, 110.0 + n) for n in range(20)])
    broker = Broker(frames)
    worker = Worker(broker, 1)
    worker.write_takeover()
    broker.append(worker.fold_group(10)[1])
    cut = Broker(frames)
    for record in worker.journal.snapshot():
        cut.append(record)
    cut.append(worker.fold_group(10)[1])
    reader = Worker(cut, 2)
    assert (20, {TOPIC: 19}) == (reader.journal.state.counted, reader.journal.offsets)


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"nonsense", b'{"v":2,"kind":"delta"}']
)
def test_a_record_that_cannot_be_read_stops_the_recovery(value):
    with pytest.raises(StateDiverged):
        Journal(lambda: LaneState(RULES), "reader").read(0, value)


def test_a_journal_is_ours_once_its_first_snapshot_is_durable():
    journal = Journal(lambda: LaneState(RULES), "me")
    records = journal.begin_term(1)
    assert not journal.owned
    list(records)
    journal.begun = True
    assert journal.owned
    journal.begin_term(2)
    assert not journal.owned
