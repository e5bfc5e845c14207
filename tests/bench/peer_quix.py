"""The peer: Quix Streams' tumbling maximum, as its documentation shows it.

Prints the number of readings taken each half second, as JSON.
"""

import json
import os
import tempfile
import time

from quixstreams import Application
from quixstreams.dataframe.windows.aggregations import Max

app = Application(
    broker_address=os.environ["PEER_KAFKA"],
    consumer_group="peer-quix",
    auto_offset_reset="earliest",
    state_dir=tempfile.mkdtemp(),
    loglevel="ERROR",
)
topic = app.topic(
    os.environ["PEER_TOPIC"],
    value_deserializer="json",
    timestamp_extractor=lambda value, *_: int(value["timestamp"] * 1_000),
)
taken = 0
said = 0.0


def count(_value):
    """Say twice a second how many readings have been taken."""
    global taken, said  # noqa: PLW0603 - two numbers of a script
    taken += 1
    if not taken % 500 and time.monotonic() - said > 0.5:
        said = time.monotonic()
        print(json.dumps({"taken": taken, "at": said}), flush=True)


stream = app.dataframe(topic).update(count)
stream = (
    stream.tumbling_window(duration_ms=900_000, grace_ms=0)
    .agg(maximum=Max("voltage"))
    .final()
)

if __name__ == "__main__":
    app.run()
