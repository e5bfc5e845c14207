"""The peer: a plain Faust agent with a tumbling table, as its documentation shows it.

Prints the number of readings taken each half second, as JSON.
"""

import json
import os
import time

import faust

app = faust.App(
    "peer-faust",
    broker=f"kafka://{os.environ['PEER_KAFKA']}",
    store="memory://",
    topic_partitions=8,
    topic_replication_factor=1,
    table_standby_replicas=0,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
)


class Reading(faust.Record):
    """A reading as one message."""

    transformer: str
    timestamp: float
    voltage: float


readings = app.topic(os.environ["PEER_TOPIC"], value_type=Reading, partitions=8)
maxima = (
    app.Table("maxima", default=float, partitions=8)
    .tumbling(900.0, expires=3_600.0)
    .relative_to_field(Reading.timestamp)
)
taken = 0


@app.agent(readings)
async def fold(stream):
    """Keep the maximum of each transformer's window."""
    global taken  # noqa: PLW0603 - one number, printed by the timer
    async for reading in stream:
        window = maxima[reading.transformer]
        if reading.voltage > window.value():
            maxima[reading.transformer] = reading.voltage
        taken += 1


@app.timer(0.5)
async def report():
    """Say how many readings have been taken."""
    print(json.dumps({"taken": taken, "at": time.monotonic()}), flush=True)


if __name__ == "__main__":
    app.main()
