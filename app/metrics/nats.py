"""What a NATS server says of itself, as families.

The names and the label `server_id` (the address that is asked) are those of NATS's own
Prometheus exporter, `gnatsd_varz_…` and `jetstream_…`: dashboards serve with either.
It calls every figure a gauge, so these are gauges too.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from app.metrics.families import Sample, gauge

__all__ = ["FAMILIES", "server_samples", "stream_samples"]

VARZ = {
    "cpu": "Processor time used, per cent of one core.",
    "mem": "Resident memory, bytes.",
    "cores": "Cores of the machine.",
    "in_bytes": "Bytes received since the server began.",
    "out_bytes": "Bytes sent since the server began.",
    "in_msgs": "Messages received since the server began.",
    "out_msgs": "Messages sent since the server began.",
    "connections": "Clients connected now.",
    "total_connections": "Connections taken since the server began.",
    "subscriptions": "Subscriptions now.",
    "slow_consumers": "Clients that were too slow, since the server began.",
    "routes": "Routes to other servers of the cluster.",
    "max_connections": "Most clients that may connect.",
    "max_payload": "Largest message taken, bytes.",
}
SERVER = {
    "total_streams": ("streams", "Streams."),
    "total_consumers": ("consumers", "Consumers."),
    "total_messages": ("messages", "Messages stored."),
    "total_message_bytes": ("bytes", "Bytes stored."),
}
STREAM = {
    "total_messages": ("messages", "Messages that the stream holds."),
    "total_bytes": ("bytes", "Bytes that the stream holds."),
    "last_seq": ("last_seq", "Sequence of the last message stored."),
}
CONSUMER = {
    "num_pending": "Messages that the consumer has not been given yet.",
    "num_ack_pending": "Messages given to the consumer and not acknowledged.",
    "num_redelivered": "Messages that were given more than once.",
    "num_waiting": "Pull requests that wait for messages.",
}
LIMIT = gauge(
    "smartmeter_nats_stream_limit_bytes",
    "Bytes at which the stream is full; absent: no limit.",
    "server_id",
    "stream_name",
)
FAMILIES = (
    *(gauge(f"gnatsd_varz_{name}", text, "server_id") for name, text in VARZ.items()),
    *(
        gauge(f"jetstream_server_{name}", text, "server_id")
        for name, (_, text) in SERVER.items()
    ),
    *(
        gauge(f"jetstream_stream_{name}", text, "server_id", "stream_name")
        for name, (_, text) in STREAM.items()
    ),
    *(
        gauge(
            f"jetstream_consumer_{name}",
            text,
            "server_id",
            "stream_name",
            "consumer_name",
        )
        for name, text in CONSUMER.items()
    ),
    LIMIT,
)


def server_samples(
    server_id: str, varz: Mapping[str, Any], jsz: Mapping[str, Any]
) -> Iterator[Sample]:
    """Yield the samples of a server, from its documents /varz and /jsz.

    Raises:
        TypeError, ValueError: A figure is no number.
    """
    for name in VARZ:
        if name in varz:
            yield Sample(f"gnatsd_varz_{name}", (server_id,), float(varz[name]))
    for name, (key, _) in SERVER.items():
        if key in jsz:
            yield Sample(f"jetstream_server_{name}", (server_id,), float(jsz[key]))


def stream_samples(
    server_id: str,
    server_name: str,
    jsz: Mapping[str, Any],
    names: Collection[str],
) -> Iterator[Sample]:
    """Yield the samples of the streams of these names that the server leads.

    Each server of a cluster tells of its own copy; the leader's is the one that counts.

    Raises:
        KeyError, TypeError, ValueError: The document is not that of /jsz.
    """
    for account in jsz.get("account_details", ()):
        for stream in account.get("stream_detail", ()):
            cluster = stream.get("cluster") or {}
            if stream["name"] in names and cluster.get("leader") in {None, server_name}:
                yield from _stream(server_id, stream)


def _stream(server_id: str, stream: Mapping[str, Any]) -> Iterator[Sample]:
    labels = server_id, stream["name"]
    for name, (key, _) in STREAM.items():
        yield Sample(f"jetstream_stream_{name}", labels, float(stream["state"][key]))
    limit = float(stream.get("config", {}).get("max_bytes", -1))
    if limit > 0:
        yield Sample(LIMIT.name, labels, limit)
    for consumer in stream.get("consumer_detail") or ():
        for name in CONSUMER:
            value = float(consumer[name])
            own = (*labels, str(consumer["name"]))
            yield Sample(f"jetstream_consumer_{name}", own, value)
