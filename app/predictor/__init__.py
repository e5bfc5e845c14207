"""Online prediction: predict first, learn when the label arrives. Home of river.

rules.py        what is foreseen, by the settings
features.py     a window ahead as features: calendar, temperature, what was last
level.py        how high a lane will be: Bayesian regression whose weights may wander
deviations.py   how each transformer deviates from its lane
classifiers.py  river's logistic regressions: the calibrator and the challenger
tally.py        predictions scored: counts from which every metric follows
scores.py       the metrics, by river, total and of the last week, beside the baselines
drift.py        ADWIN over the losses
baselines.py    same as now, and the hour of the week
memory.py       the last windows of a lane, for what asks how it was
pending.py      predictions that wait for their labels
online.py       the forecaster of one lane, which holds all of this
alone.py        what it does where a window has one transformer
past.py         what was foreseen of the last windows, for people
lane.py         windows and weather of a lane, in an order that is always the same
state.py        its parts as JSON values, and back: what is not finite is refused
rows.py         rows of it by the many, cut into parts and joined
checkpoint.py   all of it as JSON values, in parts of bounded size, and back
versions.py     what was learnt so far, kept to be gone back to

Pure and deterministic: no clock, no I/O, no chance. Sums run in a fixed order, and
vectors multiplied by NumPy are too short to be cut up between threads, so that a state
restored elsewhere, on a processor of the same kind, goes on bit for bit. May import
app.domain, app.settings and app.errors.

What is made once a window (Pending, Learnt, Outcome, ...) is no frozen dataclass: to
freeze one costs a microsecond, and a label is to cost less than a hundred.
"""
