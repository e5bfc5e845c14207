"""What servers answer becomes samples; a source that is silent has none."""

import asyncio
import os
import time

import pytest
from prometheus_client import REGISTRY

from app import settings
from app.errors import SettingsError
from app.exporter.source import Source
from app.metrics import cassandra, kafka, nats, servers
from app.metrics.cassandra import NodeFigures
from app.metrics.families import Families, Sample
from app.metrics.kafka import KafkaFigures

SERVER = "http://nats:8222"
STREAM = {
    "name": "SMARTMETER_RAW",
    "config": {"max_bytes": 4096},
    "state": {"messages": 5, "bytes": 700, "last_seq": 12},
    "consumer_detail": [
        {
            "name": "lane-0",
            "num_pending": 4,
            "num_ack_pending": 1,
            "num_redelivered": 0,
            "num_waiting": 2,
        }
    ],
}


def jsz(*streams):
    return {"streams": 1, "account_details": [{"stream_detail": list(streams)}]}


def values(samples):
    return {(sample.name, *sample.labels): sample.value for sample in samples}


def test_nats_figures_have_the_names_of_its_own_exporter():
    varz = {"cpu": 3, "mem": 10_066_329, "in_msgs": 7, "server_name": "one"}
    found = values(nats.server_samples(SERVER, varz, {"streams": 2}))
    assert {
        ("gnatsd_varz_cpu", SERVER): 3,
        ("gnatsd_varz_mem", SERVER): 10_066_329,
        ("gnatsd_varz_in_msgs", SERVER): 7,
        ("jetstream_server_total_streams", SERVER): 2,
    } == found


def test_stream_and_its_consumers_are_told_of():
    found = values(nats.stream_samples(SERVER, "one", jsz(STREAM), {STREAM["name"]}))
    place = (SERVER, "SMARTMETER_RAW")
    assert 5 == found["jetstream_stream_total_messages", *place]
    assert 4096 == found["smartmeter_nats_stream_limit_bytes", *place]
    assert 4 == found["jetstream_consumer_num_pending", *place, "lane-0"]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (STREAM | {"name": "ANOTHERS"}, False),
        (STREAM | {"cluster": {"leader": "two"}}, False),
        (STREAM | {"cluster": {"leader": "one"}}, True),
        (STREAM | {"cluster": None, "consumer_detail": None}, True),
    ],
)
def test_only_streams_of_ours_and_only_by_their_leader(stream, expected):
    samples = nats.stream_samples(SERVER, "one", jsz(stream), {"SMARTMETER_RAW"})
    assert expected == bool(list(samples))


def test_stream_without_a_limit_has_none():
    stream = STREAM | {"config": {"max_bytes": -1}}
    found = values(nats.stream_samples(SERVER, "one", jsz(stream), {STREAM["name"]}))
    assert not [key for key in found if "limit" in key[0]]


def test_lag_of_a_group_is_never_below_zero():
    figures = KafkaFigures(
        brokers=3,
        begins={("readings", 0): 10},
        ends={("readings", 0): 110, ("readings", 1): 5},
        degraded={"readings": 1},
        committed={
            "live": {("readings", 0): 100, ("readings", 1): 6},
            "archive": {("gone", 0): 1},
        },
    )
    found = values(kafka.samples(figures))
    assert {
        ("smartmeter_kafka_brokers",): 3,
        ("smartmeter_kafka_under_replicated_partitions", "readings"): 1,
        ("smartmeter_kafka_topic_records_total", "readings", "0"): 110,
        ("smartmeter_kafka_topic_records_total", "readings", "1"): 5,
        ("smartmeter_kafka_held_records", "readings", "0"): 100,
        ("smartmeter_kafka_held_records", "readings", "1"): 5,
        ("smartmeter_kafka_group_lag_records", "live", "readings", "0"): 10,
        ("smartmeter_kafka_group_lag_records", "live", "readings", "1"): 0,
    } == found


def test_latencies_are_seconds_and_disk_is_bytes():
    latency = {"table_name": "windows", "count": 9, "p50th_ms": 2, "p99th_ms": 40}
    rows = {table: [] for table in cassandra.QUERIES}
    rows |= {
        "clients": [{"count": 4}],
        "sstable_tasks": [{"count": 0}],
        "pending_hints": [{"files": 2}, {"files": 3}],
        "disk_usage": [{"table_name": "raw_data", "mebibytes": 3}],
        "local_write_latency": [latency | {"max_ms": 1_500}],
        "thread_pools": [
            {
                "name": name,
                "active_tasks": 1,
                "pending_tasks": 2,
                "blocked_tasks_all_time": 3,
                "completed_tasks": 4,
            }
            for name in ("MutationStage", "Sampler")
        ],
    }
    found = values(cassandra.node_samples(NodeFigures("n:9042", rows)))
    assert 3 << 20 == found["smartmeter_cassandra_disk_bytes", "n:9042", "raw_data"]
    place = ("n:9042", "windows")
    seconds = [
        found["smartmeter_cassandra_local_write_seconds", *place, percentile]
        for percentile in ("50", "99", "100")
    ]
    assert [0.002, 0.04, 1.5] == seconds
    assert 9 == found["smartmeter_cassandra_local_writes_total", *place]
    assert 5 == found["smartmeter_cassandra_pending_hint_files", "n:9042"]
    pools = {key[-1] for key in found if key[0].endswith("active_tasks")}
    assert {"MutationStage"} == pools


def test_processor_time_and_memory_of_a_process_are_told():
    shown = servers.families({"this": os.getpid(), "ended": 999_999_999})
    found = {
        family.name: {sample.labels["server"] for sample in family.samples}
        for family in shown.collect()
    }
    assert {
        "smartmeter_servers_cpu_seconds": {"this"},
        "smartmeter_servers_resident_memory_bytes": {"this"},
    } == found


@pytest.mark.parametrize("wrong", ["kafka", "kafka=", "=1", "kafka=1,", "a=1 b=2"])
def test_process_without_a_number_is_refused(wrong):
    with pytest.raises(SettingsError, match="SMARTMETER_EXPORTER__PROCESSES"):
        settings.load({"SMARTMETER_EXPORTER__PROCESSES": wrong})


@pytest.mark.parametrize("wrong", ["nats:8222", "ftp://nats", "http://u:p@nats:8222"])
def test_address_that_is_none_or_holds_a_password_is_refused(wrong):
    with pytest.raises(SettingsError, match="SMARTMETER_EXPORTER: nats_monitors") as e:
        settings.load({"SMARTMETER_EXPORTER__NATS_MONITORS": wrong})
    assert "u:p" not in str(e.value)


def test_addresses_and_processes_are_lists():
    exporter = settings.load(
        {
            "SMARTMETER_EXPORTER__NATS_MONITORS": "http://a:1/, http://b:2",
            "SMARTMETER_EXPORTER__PROCESSES": "kafka=1,cassandra=2",
        }
    ).exporter
    assert ["http://a:1", "http://b:2"] == exporter.addresses
    assert {"kafka": 1, "cassandra": 2} == exporter.process_numbers


class Script:
    """Answers one thing after the other; what is an error is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def __call__(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.sleep(3_600)
        return answer


def up(name):
    return REGISTRY.get_sample_value("smartmeter_exporter_up", {"source": name})


async def test_series_of_a_silent_source_are_gone_until_it_answers(caplog):
    sample = Sample("smartmeter_kafka_brokers", (), 1.0)
    script = Script([sample], OSError("refused"), OSError("refused"), None, [sample])
    source = Source("script", script)
    families = Families(kafka.FAMILIES, source.samples)
    seen = []
    for _ in range(5):
        await source.ask(0.05)
        brokers = next(iter(families.collect())).samples
        seen.append((up("script"), len(brokers)))
    assert [(1, 1), (0, 0), (0, 0), (0, 0), (1, 1)] == seen
    assert 1 == caplog.text.count("does not answer")


async def test_slow_source_is_not_waited_for():
    begun = time.monotonic()
    await Source("slow", Script(None)).ask(0.05)
    assert time.monotonic() - begun < 5
    assert 0 == up("slow")


async def test_fault_of_ours_is_not_taken_for_an_absent_source():
    with pytest.raises(RuntimeError):
        await Source("broken", Script(RuntimeError("a bug"))).ask(1)


async def test_watch_ends_when_it_is_told():
    stopping = asyncio.Event()
    source = Source("watched", Script([], [], []))
    watching = asyncio.create_task(source.watch(60, 1, stopping))
    await asyncio.sleep(0)
    stopping.set()
    await asyncio.wait_for(watching, 5)
