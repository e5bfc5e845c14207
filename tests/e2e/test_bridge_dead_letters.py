"""Dead letters as a person handles them, by the command line."""

import asyncio
import json
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager

import nats
import pytest
from nats.js import JetStreamContext

from app.wire.meter import encode_reading
from bridge import dead_letters, resending
from deploy.local.process import ROOT
from tests.road import Road

NOW = int(time.time())
GOOD = encode_reading(NOW, 110.0)


@pytest.fixture(scope="module")
def road(nats_server, kafka_server, servers, tmp_path_factory):
    environ = servers.environ(f"t{secrets.token_hex(6)}")
    with Road(environ, tmp_path_factory.mktemp("dead-letters")) as road:
        road.start("bridge")
        road.ready("bridge")
        yield road


def smartmeter(road, *words, input_=b""):
    """Return the exit code and the output of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "dead-letters", *words],
        check=False,
        cwd=ROOT,
        env=road.environ,
        input=input_,
        capture_output=True,
        timeout=60,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def listed(road, *words):
    code, output, errors = smartmeter(road, "list", "--json", *words)
    assert (0, "") == (code, errors)
    return [json.loads(line) for line in output.splitlines()]


def bury(road, line, *payloads, tail="1.1", letters=0):
    """Publish messages that are of no use; return their letters."""
    road.publish([(f"data.{line}.{tail}", payload) for payload in payloads])
    wait_for_letters(road, line, letters or len(payloads))
    return listed(road, "--subject", f".{line}.")


def wait_for_letters(road, line, count):
    def buried():
        letters = road.records(road.topology.dead_letters.name)
        return [x for _, _, x in letters if f".{line}." in x.get("subject", "")]

    road.wait_for(lambda: len(buried()) >= count, f"{count} dead letters", 30)


def rows_of(road, line):
    frames = road.records(road.topology.readings.name)
    return [
        (number, volts)
        for _, _, frame in frames
        for number, volts in zip(frame["line"], frame["voltage"], strict=True)
        if number == line
    ]


def short(letter):
    return f"{letter['sequence']}"


def test_list_shows_the_newest_with_their_published_subject_and_counts_all(road):
    letters = bury(road, 201, b"", b"x", b"{")
    assert {f"{road.topology.subject}.data.201.1.1"} == {
        letter["subject"] for letter in letters
    }
    assert ["empty", "length", "json"] == [letter["reason"] for letter in letters]
    assert ["json"] == [
        letter["reason"] for letter in listed(road, "--subject", ".201.", "--most", "1")
    ]
    assert ["length"] == [
        letter["reason"]
        for letter in listed(road, "--subject", ".201.", "--reason", "length")
    ]
    code, output, _ = smartmeter(road, "list", "--subject", ".201.")
    assert 0 == code
    assert "the newest 3 of 3" in output


def test_show_gives_all_that_a_letter_was(road):
    (letter,) = bury(road, 202, b"\x00\xff" * 20)
    code, output, _ = smartmeter(road, "show", short(letter))
    assert 0 == code
    assert "40 bytes" in output
    assert "0020  00 ff 00 ff" in output
    assert road.topology.stream in output


@pytest.mark.parametrize("name", ["987654321", "x", "1/2/3/4"])
def test_name_that_no_letter_has_is_refused_in_one_line(road, name):
    code, _, errors = smartmeter(road, "show", name)
    assert (1, 1) == (code, len(errors.splitlines()))
    assert name in errors


def test_corrected_letter_becomes_a_reading_and_is_marked(road, tmp_path):
    (letter,) = bury(road, 203, b'{"timestamp": 1, "voltage": "high"}')
    corrected = tmp_path / "corrected.json"
    corrected.write_text(json.dumps({"timestamp": NOW, "voltage": 117.5}))
    arguments = ("replay", short(letter), "--payload", str(corrected))
    code, output, errors = smartmeter(road, *arguments)
    assert (0, "") == (code, errors)
    assert "1 sent" in output
    road.wait_for(lambda: rows_of(road, 203), "the corrected reading", 30)
    assert [(203, 117.5)] == rows_of(road, 203)
    (marked,) = listed(road, "--subject", ".203.")
    assert marked["replayed"]

    assert "0 sent, 1 replayed before" in smartmeter(road, *arguments)[1]
    assert 1 == len(rows_of(road, 203))


class Interrupted(Exception):
    """The power goes."""


@contextmanager
def power_cut_before_the_mark():
    """Let a message be sent, and nothing after that."""
    send = resending.Kafka.send

    async def fail_at_marks(self, values):
        values = list(values)
        if any(b'"replayed"' in value for _, _, value in values):
            raise Interrupted
        await send(self, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resending.Kafka, "send", fail_at_marks)
        with pytest.raises(Interrupted):
            yield


async def resend_all(road, line, **options):
    """Send a line's letters as the command does; return their sequences."""
    found = await dead_letters.find(
        road.topology, lambda letter: f".{line}." in letter.subject, most=10
    )
    sending = resending.resend(
        road.topology, found, found.letters.values(), payload=GOOD, **options
    )
    return [sequence async for _, sequence in sending]


@pytest.mark.parametrize("known_seconds", [100, 0])
def test_replay_that_was_interrupted_sends_nothing_twice(
    road, monkeypatch, known_seconds
):
    line = 210 + bool(known_seconds)
    bury(road, line, b"x")
    with power_cut_before_the_mark():
        asyncio.run(resend_all(road, line))
    road.wait_for(lambda: rows_of(road, line), "the reading", 30)
    monkeypatch.setattr(resending, "KNOWN_SECONDS", known_seconds)
    (sequence,) = asyncio.run(resend_all(road, line))
    if sequence is None:  # the bridge had purged it: nobody can tell, so it is left
        assert not known_seconds
    assert 1 == len(rows_of(road, line))


def test_replay_that_was_interrupted_before_it_was_sent_is_sent(road, monkeypatch):
    bury(road, 212, b"x")

    async def fail(*_, **__):
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(JetStreamContext, "publish", fail)
        with pytest.raises(Interrupted):
            asyncio.run(resend_all(road, 212))
    asyncio.run(resend_all(road, 212))
    road.wait_for(lambda: rows_of(road, 212), "the reading", 30)
    (letter,) = listed(road, "--subject", ".212.")
    assert letter["replayed"]


def test_replay_of_which_nobody_can_tell_is_left_to_a_person(road, monkeypatch):
    bury(road, 213, b"x")
    with power_cut_before_the_mark():
        asyncio.run(resend_all(road, 213))
    monkeypatch.setattr(resending, "KNOWN_SECONDS", 0)
    asyncio.run(purge(road))
    assert [None] == asyncio.run(resend_all(road, 213))
    (sequence,) = asyncio.run(resend_all(road, 213, again=True))
    assert sequence
    (letter,) = listed(road, "--subject", ".213.")
    assert letter["replayed"]


async def purge(road):
    connection = await nats.connect(road.settings.nats.servers)
    await connection.jetstream().purge_stream(road.topology.stream)
    await connection.close()


def test_letter_that_is_still_of_no_use_is_another_letter(road):
    (letter,) = bury(road, 204, b"x")
    assert 0 == smartmeter(road, "replay", "--subject", ".204.")[0]
    wait_for_letters(road, 204, 2)
    letters = listed(road, "--subject", ".204.")
    assert letter["sequence"] < letters[1]["sequence"]
    assert [True, False] == [bool(each["replayed"]) for each in letters]


def test_entries_of_a_batch_are_letters_of_their_own_and_good_ones_are_rows(road):
    entries = [
        {"usagepoint": 1, "timestamp": NOW, "voltage": 110.0},
        {"usagepoint": 2, "timestamp": NOW, "voltage": None},
        {"usagepoint": 3, "timestamp": NOW, "voltage": 99_999},
    ]
    payload = json.dumps(entries).encode()
    letters = bury(road, 205, payload, tail="1.batch", letters=2)
    assert 1 == len({letter["sequence"] for letter in letters})
    assert ["not_a_number", "voltage_range"] == [each["reason"] for each in letters]
    assert [(205, 110.0)] == rows_of(road, 205)
    code, _, errors = smartmeter(road, "show", short(letters[0]))
    assert 1 == code
    assert "2 letters are" in errors
    name = letters[1]["name"].partition("/")[2]
    code, output, _ = smartmeter(
        road,
        "replay",
        name,
        "--payload",
        "-",
        input_=json.dumps([{**entries[2], "voltage": 99.0}]).encode(),
    )
    assert 0 == code, output
    road.wait_for(lambda: (205, 99.0) in rows_of(road, 205), "the corrected entry", 30)


def test_replay_without_a_choice_is_wrong_usage_and_dry_run_sends_nothing(road):
    bury(road, 206, b"x", b"y")
    assert 2 == smartmeter(road, "replay")[0]
    code, output, _ = smartmeter(road, "replay", "--subject", ".206.", "--dry-run")
    assert (0, 3) == (code, len(output.splitlines()))
    assert all(not each["replayed"] for each in listed(road, "--subject", ".206."))
