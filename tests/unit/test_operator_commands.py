"""What the operator's commands have in common, and what they make of what they see."""

import asyncio
import errno
import json
import subprocess
import sys
import time

import click
import nats.errors
import pytest
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from aiokafka.errors import KafkaConnectionError
from click.testing import CliRunner

from app.cli import COMMANDS, cli
from app.cli.doctor import examine
from app.cli.failures import failure
from app.cli.group import member
from app.cli.hops import Hop, compared
from app.cli.lag import Row, summed
from app.cli.monitor import Expected
from app.cli.prometheus import PrometheusTrouble, verdict
from app.cli.replay import Since
from app.errors import HopFailed, SettingsError
from app.wire.meter import encode_reading
from app.wire.readable import readable
from deploy.local.process import ROOT

OTHERWISE = {
    *("bridge", "worker", "archive", "exporter"),  # they log, as JSON in a file
    *("simulate", "query"),  # a summary as JSON at the end; --format json
    *("shell", "completion", "certificates"),  # a prompt, a script, files
    "models",  # its list has it
}


def commands(group=cli, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


EVERY = dict(commands())


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_help_of_a_command_has_an_example(path):
    assert "Example:" in CliRunner().invoke(cli, [*path, "--help"]).output


@pytest.mark.parametrize(
    "path", [path for path in EVERY if path[0] not in OTHERWISE], ids=" ".join
)
def test_command_has_its_results_as_json(path):
    options = {name for each in EVERY[path].params for name in each.opts}
    assert "--json" in options


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_the_program_says_what_a_command_does(name):
    output = CliRunner().invoke(cli, ["--help"]).output
    assert f"  {name} " in output
    assert COMMANDS[name].endswith(".")


# Failures in one line --------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/raw.csv"),
            "/data/raw.csv: the disk is full: free some space, or choose another place",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "x"),
            "x: No such file or directory",
        ),
        (
            nats.errors.NoServersError(),
            "NATS: no servers available for connection; `smartmeter doctor` says more",
        ),
        (TimeoutError(), "no answer in time; `smartmeter doctor` says more"),
        (SettingsError("SMARTMETER_X: unknown"), "SMARTMETER_X: unknown"),
    ],
)
def test_failure_of_a_driver_or_the_system_is_one_line(error, line):
    assert line == failure(error).line
    assert line == failure(ExceptionGroup("group", [error])).line


def test_failure_of_kafka_names_it_and_a_wrong_setting_has_its_exit_code():
    assert failure(KafkaConnectionError("gone\nfar")).line.startswith("Kafka: ")
    assert 2 == failure(SettingsError("x")).exit_code
    assert failure(KeyError("a bug of ours")) is None


def test_reader_that_has_enough_is_told_nothing():
    words = [sys.executable, "-m", "app", "settings", "--json"]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert b"" == process.stderr.read()


# doctor ----------------------------------------------------------------------------


def hop(name, *needs, fails=""):
    async def look():
        if fails:
            raise HopFailed(fails)
        return "well"

    return Hop(name, look, frozenset(needs))


def test_hop_that_stands_on_one_that_failed_is_not_blamed():
    hops = [
        hop("bridge", "kafka", fails="messages wait"),
        hop("kafka", fails="does not answer"),
        hop("live", "kafka"),
    ]
    findings = asyncio.run(examine(hops))
    assert [None, False, True] == [finding["ok"] for finding in findings]
    assert "not known: kafka fails" == findings[0]["text"]


def target(health="up"):
    return {
        "health": health,
        "labels": {"job": "bridge"},
        "scrapeUrl": "http://b:6090/metrics",
        "lastError": "refused",
    }


def test_prometheus_names_what_it_does_not_hear_and_what_fires():
    assert "1 processes heard, nothing fires" == verdict([target()], [])
    with pytest.raises(PrometheusTrouble, match="bridge at http://b:6090"):
        verdict([target(), target("down")], [])
    with pytest.raises(PrometheusTrouble, match="no process"):
        verdict([], [])
    firing = {"labels": {"alertname": "StreamFilling"}, "state": "firing"}
    with pytest.raises(PrometheusTrouble, match="StreamFilling fires"):
        verdict([target()], [firing])
    pending = {"labels": {"alertname": "StreamFilling"}, "state": "pending"}
    assert verdict([target()], [pending])


def test_clock_that_is_off_is_named_with_its_server():
    assert "NATS +0.2 s, Cassandra -1.0 s" == compared({"NATS": 0.2, "Cassandra": -1.0})
    with pytest.raises(HopFailed, match="Cassandra's clock is 340 s behind this"):
        compared({"NATS": 7.0, "Cassandra": -340.0})
    with pytest.raises(HopFailed, match="NATS's clock is 7 s ahead of this"):
        compared({"NATS": 7.0})


# lag, monitor, replay --------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "url"),
    [
        (b'{"url": "http://10.0.0.7:6066", "assignment": {}}', "http://10.0.0.7:6066"),
        (b"", ""),
        (b"not of Faust", ""),
        (b"[1]", ""),
    ],
)
def test_member_of_a_group_is_known_by_its_web_view_if_it_tells_one(told, url):
    metadata = ConsumerProtocolMemberMetadata(0, ["readings"], told).encode()
    assignment = ConsumerProtocolMemberAssignment(0, [("readings", [3, 4])], b"")
    found = member(("id", "client", "/10.0.0.7", metadata, assignment.encode()))
    assert (url, "10.0.0.7") == (found.url, found.host)
    assert {"readings": [3, 4]} == found.partitions


def test_lag_of_a_topic_is_the_sum_of_its_lanes_since_the_oldest():
    rows = [
        Row(group="live", topic="t", lane=n, end=9, committed=9 - n, waiting=n, since=s)
        for n, s in ((0, None), (2, 50.0), (3, 40.0))
    ]
    (total,) = summed(rows)
    assert (5, 40.0, -1) == (total.waiting, total.since, total.lane)


def test_expectation_counts_lines_that_have_its_pattern():
    expectation = Expected().convert(r"extract\.max/2", None, None)
    for line in ("a.extract.max  {}", "a.extract.alert  {}", "b.extract.max  {}"):
        assert not expectation.is_met
        expectation.look_at(line)
    assert expectation.is_met


@pytest.mark.parametrize("text", ["(", "[/3"])
def test_expectation_that_is_no_pattern_is_wrong_usage(text):
    with pytest.raises(click.BadParameter):
        Expected().convert(text, None, None)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (
            encode_reading(9, 110.5, 2.0),
            {"timestamp": 9, "voltage": 110.5, "demand": 2},
        ),
        (encode_reading(9, float("nan")), {"timestamp": 9, "voltage": None}),
        (b'[{"voltage": 1}]', [{"voltage": 1}]),
        (b"{", {"text": "{"}),
        (b"", {"text": ""}),
        (b"on", {"text": "on"}),
        (b"\x00" * 55, {"hex": "00" * 55}),
    ],
)
def test_payload_is_shown_for_what_it_is(payload, said):
    assert said == readable(payload)


@pytest.mark.parametrize(
    ("text", "epoch"),
    [("1479537858", 1_479_537_858), ("beginning", float("-inf"))],
)
def test_time_of_a_replay(text, epoch):
    assert epoch == Since().convert(text, None, None)


def test_time_of_a_replay_may_be_so_long_ago():
    assert time.time() - 7_200 == pytest.approx(
        Since().convert("2h", None, None), abs=60
    )


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--group", "archive", "--into", "other"],
        ["--group", "archive", "--lanes", "3"],
        ["--into", "Not-A-Name"],
        ["--into", "smartmeter"],
    ],
)
def test_replay_that_is_not_clear_is_wrong_usage(words):
    result = CliRunner().invoke(cli, ["replay", "--from", "1h", *words])
    assert 2 == result.exit_code


# logs, completion ------------------------------------------------------------------


@pytest.fixture
def run_folder(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    lines = [
        {"time": "2026-11-24T13:00:00+00:00", "level": "info", "message": f"line {n}"}
        for n in range(30)
    ]
    (logs / "bridge-1.log").write_text("".join(json.dumps(x) + "\n" for x in lines))
    (logs / "kafka.log").write_text("a server's own words\n")
    (logs / "kafka.log.1").write_text("of the one before\n")
    return tmp_path


def logs(folder, *words):
    return CliRunner().invoke(cli, ["logs", "--folder", str(folder), *words])


def test_logs_are_listed_with_their_last_line(run_folder):
    output = logs(run_folder).output
    assert "bridge-1.log" in output
    assert "13:00:00 info     line 29" in output
    assert "a server's own words" in output


def test_last_lines_of_some_logs(run_folder):
    output = logs(run_folder, "bridge", "-n", "2").output
    assert ["line 28", "line 29"] == [line[-7:] for line in output.splitlines()]
    former = logs(run_folder, "kafka", "--former").output
    assert "kafka  of the one before\n" == former
    (row,) = map(json.loads, logs(run_folder, "kafka", "--json").output.splitlines())
    assert {"name": "kafka", "message": "a server's own words"} == row


def test_log_that_is_not_there_is_refused_by_name(run_folder, tmp_path_factory):
    told = failure(logs(run_folder, "nats").exception).line
    assert f"no log nats in {run_folder}: there are bridge-1, kafka" == told
    empty = tmp_path_factory.mktemp("empty")
    assert "make run" in failure(logs(empty).exception).line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_that_shell(shell):
    output = CliRunner().invoke(cli, ["completion", shell]).output
    assert f"_SMARTMETER_COMPLETE={shell}_complete" in output


def test_shell_is_told_commands_and_choices():
    words = "import app.cli; app.cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", words],
        check=True,
        cwd=ROOT,
        env={
            "_SMARTMETER_COMPLETE": "bash_complete",
            "COMP_WORDS": "smartmeter lag --group ",
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
    )
    told = {line.partition(",")[2] for line in done.stdout.split()}
    assert {"bridge", "live", "archive", "results"} == told
