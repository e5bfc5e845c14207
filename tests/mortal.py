"""A worker reduced to the steps between which it can die, and lives of it."""

import orjson
from hypothesis import strategies as st

from tables.journal import Journal

__all__ = ["FATES", "Worker", "bodies", "live"]

FATES = st.sampled_from(["lives", "dies", "pauses"])


class Worker:
    """One lane's state and journal, read from a log, whose end a term begins.

    change is the agent's: from a state and events to a Change.
    """

    lives = 0

    def __init__(self, log, generation, *, new_state, change):
        Worker.lives += 1
        self.log = log
        self._change = change
        self.journal = Journal(new_state, f"worker-{Worker.lives}")
        for offset, record in enumerate(log):
            self.journal.read(offset, record)
        self.write(self.journal.begin_term(generation))

    def write(self, records):
        for record in records:
            self.journal.written(len(self.log))
            self.log.append(record)

    def fold(self, group):
        """Return the results of events, and the record that includes them."""
        change = self._change(self.journal.state, group)
        offsets = {each.message.topic: each.message.offset for each in group}
        return change.results, self.journal.delta(change.body, offsets)


def live(new_worker, next_group, steps):
    """Live through steps of (size, fate, snapshot); return all results and who is left.

    Args:
        new_worker: From a log and a generation to a worker.
        next_group: From a worker and a size to the events that it reads next.
        steps: What happens in each.
    """
    log, results = [], []
    worker = new_worker(log, 1)
    for generation, (size, fate, snapshot) in enumerate(steps, start=2):
        group = next_group(worker, size)
        if not group:
            continue
        made, record = worker.fold(group)
        results += made  # before the journal: they may be all that is left
        if fate == "lives":
            worker.write([record])
            if snapshot:
                worker.write(worker.journal.snapshot())
            continue
        former = worker
        worker = new_worker(log, generation)
        if fate == "pauses":
            former.write([record])  # too late: it is fenced
    return results, worker


def bodies(state):
    """Return the snapshot of a state, to the letter."""
    option = orjson.OPT_SERIALIZE_NUMPY
    return [orjson.dumps(body, option=option) for body in state.snapshot_bodies()]
