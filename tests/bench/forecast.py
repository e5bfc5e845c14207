"""What it costs to predict and to learn a label, and what models weigh.

    make bench NAME=forecast

One lane, windows of a simulated fleet, twelve hours ahead; processor time of one core.
The peers learn the same labels from the same features, one row at a time, as river's
models are used otherwise; their accuracy stands beside their cost.
"""

import argparse
import json
import math
import time
import tracemalloc
from itertools import islice

import numpy as np
import orjson
from river import compose, forest, linear_model, optim, preprocessing, tree

from app.domain.predictions import closed_windows
from app.predictor.lane import LaneForecast
from app.predictor.online import Rules
from app.predictor.scores import figures
from app.simulator.closed import generated
from app.simulator.population import Counts, meters
from app.simulator.voltage import Options

QUARTER, HALF_DAY = 900, 43_200
START = 1_672_617_600
THRESHOLD = 116.0
RULES = Rules(size=QUARTER, lead=HALF_DAY, threshold=THRESHOLD)
USAGEPOINTS = 20
SLICE = 50  # windows: the best slice is the one that others disturbed least
LANES = 8


def fleet(transformers, windows):
    """Return closed windows of so many transformers."""
    population = Counts(lines=1, transformers=transformers, usagepoints=USAGEPOINTS)
    source = generated(
        meters(population, slot=1), Options(bias=True), start=START, size=QUARTER
    )
    return list(islice(source, windows))


def ours(transformers, windows):
    """Return microseconds a label, and the lane."""
    lane = LaneForecast(RULES, 0)
    events = [
        (closed.weather, list(closed_windows(closed.columns)), closed.start + QUARTER)
        for closed in fleet(transformers, windows)
    ]
    best = math.inf
    for begin in range(0, windows, SLICE):
        began = time.process_time()
        for said, closed, made in events[begin : begin + SLICE]:
            for event in said:
                lane.take_weather(event)
            lane.take_windows(closed, made)
        seconds = (time.process_time() - began) / SLICE / transformers
        if begin * QUARTER > HALF_DAY:
            best = min(best, seconds)
    return best * 1e6, lane


PEERS = {
    "river_logistic": lambda: compose.Pipeline(
        preprocessing.StandardScaler(),
        linear_model.LogisticRegression(optim.Adam(0.02)),
    ),
    "river_hoeffding_tree": lambda: tree.HoeffdingAdaptiveTreeClassifier(seed=1),
    "river_mondrian_forest": lambda: forest.AMFClassifier(n_estimators=10, seed=1),
}


def features_of(start, celsius, maximum):
    """Return the original's features, and the last maximum."""
    turn = 2 * math.pi * (start % 86_400) / 86_400
    return {
        "sine": math.sin(turn),
        "cosine": math.cos(turn),
        "weekend": float((start // 86_400 + 3) % 7 >= 5),
        "celsius": celsius,
        "maximum": maximum - THRESHOLD,
    }


def peer(model, closed):
    """Return microseconds a label, and the accuracy of the second half."""
    waiting, right, seconds, labels = {}, [], 0.0, 0
    for window in closed:
        celsius = window.weather[1].celsius
        for row, maximum in enumerate(window.columns["maximum"].tolist()):
            label = maximum > THRESHOLD
            x = features_of(window.start + HALF_DAY, celsius, maximum)
            key = row, window.start + HALF_DAY
            began = time.process_time()
            said = model.predict_one(x)
            known = waiting.pop((row, window.start), None)
            if known:
                model.learn_one(known[0], label)
            seconds += time.process_time() - began
            waiting[key] = x, bool(said)
            if known:
                labels += 1
                right.append(known[1] == label)
    return seconds / labels * 1e6, float(np.mean(right[len(right) // 2 :]))


def weight(transformers):
    """Return the memory, and the snapshot, of all lanes' models, in MiB."""
    tracemalloc.start()
    lane_share = transformers // LANES
    _, lane = ours(lane_share, 100)
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    option = orjson.OPT_SERIALIZE_NUMPY
    snapshot = sum(len(orjson.dumps(part, option=option)) for part in lane.dump())
    return memory * LANES / 2**20, snapshot * LANES / 2**20


def main() -> None:
    """Measure ours by batch size, then the peers, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=2_000)
    parser.add_argument("--peer-windows", type=int, default=1_500)
    options = parser.parse_args()
    by_batch = {}
    for batch in (1, 2, 4, 8, 64, 1_250):
        windows = max(300, options.windows // max(1, batch // 8))
        by_batch[batch], lane = ours(batch, windows)
        accuracy = figures(lane.forecaster.scores.week)["published"]["accuracy"]
        print(
            f"{batch:>5} transformers in the lane: {by_batch[batch]:7.1f} µs a label,"
            f" accuracy of the last week {accuracy:.4f}",
            flush=True,
        )
    memory, snapshot = weight(10_000)
    print(
        f"10,000 transformers: {memory:.0f} MiB of memory, {snapshot:.0f} MiB written"
    )
    closed = fleet(8, options.peer_windows)
    costs = {}
    for name, make in PEERS.items():
        costs[name], accuracy = peer(make(), closed)
        print(
            f"{name}: {costs[name]:.1f} µs a label, accuracy {accuracy:.4f}", flush=True
        )
    print(
        json.dumps(
            {
                "name": "forecast",
                "ours": round(by_batch[8], 1),
                "unit": "µs/label",
                "by_batch": {str(n): round(cost, 1) for n, cost in by_batch.items()},
                "memory_mib": round(memory),
                "snapshot_mib": round(snapshot),
                "peers": {
                    name: {
                        "figure": round(cost, 1),
                        "ratio": round(cost / by_batch[8], 1),
                    }
                    for name, cost in costs.items()
                },
            }
        )
    )


if __name__ == "__main__":
    main()
