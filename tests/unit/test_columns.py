import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.domain import columns
from app.domain.columns import KeyIndex


@given(groups=st.lists(st.sets(st.integers(-50, 50), min_size=1), max_size=20))
def test_every_key_keeps_the_slot_it_was_first_given(groups):
    index, known = KeyIndex(), {}
    for group in groups:
        keys = np.array(sorted(group), np.int64)
        slots = index.slots(keys).tolist()
        for key, slot in zip(keys.tolist(), slots, strict=True):
            assert known.setdefault(key, slot) == slot
    assert list(range(len(known))) == sorted(known.values())
    assert [known[key] for key in sorted(known)] == index.sorted_slots().tolist()


def test_keys_beyond_the_small_run_are_found_again(monkeypatch):
    monkeypatch.setattr(columns, "RECENT_KEYS_MAX", 10)
    index = KeyIndex()
    keys = np.arange(0, 100, 2)
    for begin in range(0, 50, 5):
        index.slots(keys[begin : begin + 5])
    assert list(range(50)) == index.find(keys).tolist()
    assert [-1] == index.find(np.array([1])).tolist()
