"""*Pipeline and workers*: every hop's rate, lag and latency, the workers, and faults.

Successor of the seed's board "smartmeter - containers".
"""

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana import workers
from deploy.grafana.board import board
from deploy.grafana.panels import Graph, Query, graph
from deploy.grafana.promql import increase, rate, select

__all__ = ["dashboard"]


def dashboard() -> models.Dashboard:
    """Return the dashboard."""
    return board(
        "smartmeter-pipeline",
        "Pipeline and workers",
        "Every process, and every hop from the meter to Cassandra and back.",
        "process_start_time_seconds",
        _panels(),
    )


def _panels() -> Iterator[builders.Row | Graph | table.Panel]:
    yield builders.Row("Pipeline")
    yield from (_rates(), _lags(), _by_lane(), _groups(), _watermarks(), _behind())
    yield builders.Row("Latency")
    yield from (_bridge_latency(), _commits(), _writes(), _sends())
    yield from workers.panels()
    yield builders.Row("Faults")
    yield from (_letters(), _late(), _refused(), _failures())


def _rates() -> Graph:
    rows = rate("smartmeter_archive_rows_total", 'table="raw_data"')
    return graph(
        "Readings by hop",
        "The same number at each hop means that nothing piles up.",
        "cps",
        Query(
            f"sum({rate('smartmeter_simulator_readings_published_total')})", "simulated"
        ),
        Query(f"sum({rate('smartmeter_bridge_readings_total')})", "in Kafka"),
        Query(f"sum({rate('smartmeter_live_readings_counted_total')})", "in windows"),
        Query(f"sum({rows})", "in Cassandra"),
    )


def _lags() -> Graph:
    bridge = select("smartmeter_bridge_lag_messages")
    live = select("smartmeter_live_lag_frames")
    archive = select("smartmeter_archive_lag_records")
    return graph(
        "Lag by hop",
        "What waits: messages in NATS, frames of up to 500 readings in Kafka. The most"
        " that any lane has.",
        "short",
        Query(f"max({bridge})", "bridge, messages"),
        Query(f"max({live})", "live, frames"),
        Query(f"max({archive})", "archive, frames"),
    )


def _by_lane() -> Graph:
    live = select("smartmeter_live_lag_frames")
    return graph(
        "Live lag by lane",
        "Frames in Kafka that are not in the durable windows yet.",
        "short",
        Query(f"max by (lane) ({live})", "lane {{lane}}"),
    )


def _groups() -> Graph:
    lag = select("smartmeter_kafka_group_lag_records")
    return graph(
        "Lag of groups, by Kafka",
        "Records behind what a group has committed. The live group commits what its"
        " durable state includes, a moment later.",
        "short",
        Query(f"sum by (group) ({lag})", "{{group}}"),
    )


def _watermarks() -> Graph:
    clock = select("smartmeter_live_watermark_timestamp_seconds")
    return graph(
        "Event time by lane",
        "The watermark: windows close as it passes their end and the grace.",
        "dateTimeAsIso",
        Query(f"max by (lane) ({clock}) * 1000", "lane {{lane}}"),
        least=None,
    )


def _behind() -> Graph:
    clock = select("smartmeter_live_watermark_timestamp_seconds")
    return graph(
        "Behind the foremost lane",
        "Event time between a lane and the foremost one: the fleet's maximum waits for"
        " the last.",
        "s",
        Query(
            f"scalar(max({clock})) - max by (lane) ({clock})",
            "lane {{lane}}",
        ),
    )


def _quantiles(name: str, *matchers: str) -> list[Query]:
    buckets = rate(f"smartmeter_{name}_bucket", *matchers)
    return [
        Query(f"histogram_quantile({share}, sum by (le) ({buckets}))", words)
        for share, words in (("0.5", "half"), ("0.99", "99 of 100"))
    ]


def _bridge_latency() -> Graph:
    return graph(
        "NATS to Kafka",
        "From a frame's first reading in NATS to Kafka's acknowledgement; the bars are"
        " the histogram's, so no value lies between two of its bounds.",
        "s",
        *_quantiles("bridge_latency_seconds"),
    )


def _commits() -> Graph:
    buckets = rate("smartmeter_live_group_commit_seconds_bucket")
    return graph(
        "Group commit",
        "From the first event of a group to the last acknowledgement of results and"
        " journal: 99 of 100, by table.",
        "s",
        Query(f"histogram_quantile(0.99, sum by (table, le) ({buckets}))", "{{table}}"),
    )


def _writes() -> Graph:
    return graph(
        "Group written to Cassandra",
        "From the first try to the last answer of a group's rows.",
        "s",
        *_quantiles("archive_write_seconds"),
    )


def _sends() -> Graph:
    buckets = rate("smartmeter_faust_send_seconds_bucket")
    return graph(
        "Kafka's acknowledgement",
        "Of a message that a worker sends: 99 of 100, by process.",
        "s",
        Query(
            f"histogram_quantile(0.99, sum by (job, instance, le) ({buckets}))",
            workers.PROCESS,
        ),
    )


def _letters() -> Graph:
    letters = " or ".join(
        increase(f"smartmeter_{name}_total")
        for name in (
            "bridge_dead_letters",
            "live_frames_rejected",
            "archive_records_rejected",
        )
    )
    return graph(
        "Dead letters",
        "Messages and records of no use, by reason.",
        "short",
        Query(f"sum by (reason) ({letters})", "{{reason}}"),
        draw="bars",
        stack=True,
    )


def _late() -> Graph:
    late = rate("smartmeter_live_readings_late_total")
    return graph(
        "Late readings",
        "Readings whose window had closed, by lane.",
        "cps",
        Query(f"sum by (lane) ({late})", "lane {{lane}}"),
    )


def _refused() -> Graph:
    refused = increase("smartmeter_archive_rows_refused_total")
    return graph(
        "Rows refused",
        "By Cassandra, for their content; they are dead letters.",
        "short",
        Query(f"sum by (table) ({refused})", "{{table}}"),
        draw="bars",
    )


def _failures() -> Graph:
    failed = increase("smartmeter_archive_failed_writes_total")
    lost = increase("smartmeter_bridge_lost_connections_total")
    away = select("smartmeter_exporter_up")
    return graph(
        "Servers away",
        "Writes that Cassandra did not take, connections to NATS that were lost, and"
        " servers that do not answer the exporter.",
        "short",
        Query(f"sum({failed})", "failed writes"),
        Query(f"sum({lost})", "lost connections"),
        Query(f"sum by (source) (1 - {away})", "{{source}} away"),
        draw="steps",
    )
