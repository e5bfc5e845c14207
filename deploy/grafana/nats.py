"""*NATS servers*: the seed's nine panels with their queries, and JetStream below."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.board import board
from deploy.grafana.panels import Draw, Graph, Query, graph
from deploy.grafana.promql import select

__all__ = ["dashboard"]

SERVER = "{{server_id}}"
QUARTER, THIRD = 6, 8  # of the grid's 24


def dashboard() -> models.Dashboard:
    """Return the dashboard."""
    return board(
        "smartmeter-nats",
        "NATS servers",
        "What each NATS server says of itself, and the streams in JetStream.",
        "gnatsd_varz_cpu",
        [
            builders.Row("OS metrics"),
            _plain("Server CPU", "Of one core; of all its own.", "percent", "cpu"),
            _plain("Server memory", "Resident.", "bytes", "mem"),
            builders.Row("Throughput"),
            _flow("Bytes in", "Received.", "Bps", "in_bytes"),
            _flow("NATS messages in", "Received.", "mps", "in_msgs"),
            _flow("Bytes out", "Sent, to every subscriber.", "Bps", "out_bytes"),
            _flow("NATS messages out", "Sent, to every one.", "mps", "out_msgs"),
            builders.Row("Client metrics"),
            _plain(
                "Connections",
                "Clients connected now.",
                "short",
                "connections",
                width=THIRD,
                draw="points",
            ),
            _plain(
                "Subscriptions", "All clients'.", "short", "subscriptions", width=THIRD
            ),
            _plain(
                "Slow consumers",
                "Clients that were cut off for being too slow, since the server began.",
                "short",
                "slow_consumers",
                width=THIRD,
            ),
            builders.Row("JetStream"),
            _held(),
            _filled(),
            _pending(),
            _unacknowledged(),
        ],
    )


def _plain(
    title: str,
    description: str,
    unit: str,
    name: str,
    *,
    width: int = 12,
    draw: Draw = "line",
) -> Graph:
    return graph(
        title,
        description,
        unit,
        Query(select(f"gnatsd_varz_{name}"), SERVER),
        width=width,
        draw=draw,
    )


def _flow(title: str, description: str, unit: str, name: str) -> Graph:
    total = select(f"gnatsd_varz_{name}")
    return graph(
        title,
        f"{description} A second, by the last two samples.",
        unit,
        Query(f"irate({total}[$__rate_interval])", SERVER),
        width=QUARTER,
    )


def _held() -> Graph:
    messages = select("jetstream_stream_total_messages")
    return graph(
        "Messages in streams",
        "The bridge purges from the raw stream what Kafka has.",
        "short",
        Query(f"max by (stream_name) ({messages})", "{{stream_name}}"),
    )


def _filled() -> Graph:
    held = select("jetstream_stream_total_bytes")
    limit = select("smartmeter_nats_stream_limit_bytes")
    return graph(
        "Share of the limit",
        "A full stream of raw messages refuses what meters publish.",
        "percentunit",
        Query(
            f"max by (stream_name) ({held} / on (server_id, stream_name) {limit})",
            "{{stream_name}}",
        ),
    )


def _pending() -> Graph:
    pending = select("jetstream_consumer_num_pending")
    return graph(
        "Pending by consumer",
        "Messages that the bridge has not been given yet: a consumer for each lane.",
        "short",
        Query(f"max by (consumer_name) ({pending})", "{{consumer_name}}"),
    )


def _unacknowledged() -> Graph:
    given = select("jetstream_consumer_num_ack_pending")
    return graph(
        "Not acknowledged, by consumer",
        "Messages that the bridge has, and Kafka not for sure.",
        "short",
        Query(f"max by (consumer_name) ({given})", "{{consumer_name}}"),
    )
