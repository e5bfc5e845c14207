"""The words of the prompt, over a backend that only counts."""

from pathlib import Path

import pytest

from app import settings
from deploy.local.roles import role
from deploy.services import SERVERS, SERVICES, Prompt, Unknown
from deploy.services_prompt import Options, opened, parsed


class Counting:
    services = SERVICES

    def __init__(self):
        self.counts = dict.fromkeys(SERVICES, 0)
        self.done = []

    def running(self):
        return dict(self.counts)

    def serve(self):
        self.counts |= dict.fromkeys(SERVERS, 1)
        self.done.append("servers")

    def scale(self, name, replicas):
        self.counts[name] = replicas
        self.done.append((name, replicas))

    def remove(self, name):
        self.counts[name] = 0

    def once(self, *words):
        self.done.append(words)
        return "done"

    def logs(self, name, lines):
        return f"{name}: {lines} lines"

    def stop_all(self):
        self.counts = dict.fromkeys(SERVICES, 0)


@pytest.fixture
def backend():
    return Counting()


@pytest.fixture
def said():
    return []


@pytest.fixture
def words(backend, said):
    return Prompt(backend, said.append).names


def test_batch_is_shown_as_it_was_printed(words, backend):
    backend.once = lambda *_: "line  volts\n  11  116.5\n"
    assert "line  volts\n  11  116.5\n" == repr(words["run_app_batch"]())


def test_everything_starts_in_the_order_of_the_road(backend, words):
    words["run_inject"]()
    assert ["servers", ("topics",), ("schema", "apply")] == backend.done[:3]
    order = ["bridge", "worker", "archive", "exporter", "prometheus", "grafana"]
    assert [*order, "simulator"] == [name for name, _ in backend.done[3:]]


def test_second_start_keeps_what_was_scaled_up(backend, words):
    words["run_inject"]()
    words["update_replicas"]("worker", 4)
    words["run_inject"]()
    assert 4 == backend.counts["worker"]


def test_cluster_has_more_of_each_stage(backend, words):
    words["run_inject_cluster"](2)
    counts = [backend.counts[n] for n in ("bridge", "worker", "archive", "simulator")]
    assert [2, 3, 2, 2] == counts


def test_original_names_of_services_still_work(backend, words):
    words["create_service"]("inject", 2)
    words["create_service"]("app_streaming")
    assert (2, 1) == (backend.counts["simulator"], backend.counts["worker"])
    assert 2 == words["get_service"]("inject")


def test_each_service_has_its_steps(backend, words):
    words["create_worker"]()
    words["scale_worker"](3)
    assert 3 == backend.counts["worker"]
    words["stop_worker"]()
    assert 0 == backend.counts["worker"]
    for name in SERVICES:
        assert {f"{verb}_{name}" for verb in ("create", "stop", "scale", "rm")} <= (
            words.keys()
        )


def test_steps_run_in_order_with_a_banner_each(backend, words, said):
    words["run"]([("create_service", "nats", 1), ("rm_service", "nats")])
    assert ["----- create_service nats 1", "----- rm_service nats"] == said
    assert 0 == backend.counts["nats"]


def test_wrong_step_does_nothing_at_all(backend, words):
    with pytest.raises(Unknown, match="no step 'jump'"):
        words["run"]([("create_service", "nats", 1), ("jump",)])
    assert [] == backend.done


def test_unknown_service_names_those_that_are(words):
    with pytest.raises(Unknown, match="there are nats, kafka"):
        words["create_service"]("hadoop")
    with pytest.raises(ValueError, match="0 stops"):
        words["update_replicas"]("worker", -2)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Options()),
        (["local", "single"], Options()),
        (["docker", "cluster"], Options(location="docker", mode="cluster")),
        (["plain"], Options(access="plain")),
        (["-DEV", "remote"], Options(location="remote", postfix="-DEV")),
    ],
)
def test_arguments_in_any_order(arguments, expected):
    assert expected == parsed(arguments)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["swarm"], "not understood"),
        (["local", "remote"], "only one"),
        (["--x"], "--x"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments, what):
    with pytest.raises(SystemExit, match=what):
        parsed(arguments)


def test_cluster_asks_who_comes_unless_told_otherwise():
    assert parsed(["docker", "cluster"]).has_secrets
    assert not parsed(["docker", "cluster", "plain"]).has_secrets
    assert not parsed(["docker"]).has_secrets
    assert parsed(["docker", "secrets"]).has_secrets


def test_prompt_says_what_images_it_uses(capsys):
    words = opened(["docker", "-DEV"], Path("nowhere"))
    assert "Images will be postfixed by -DEV" in capsys.readouterr().out
    words["create_service"]("hadoop")
    assert "no service 'hadoop' here" in capsys.readouterr().out


def test_processes_have_ports_and_slots_of_their_own():
    loaded = settings.load({})
    assert [6066, 6067] == [role(loaded, "worker", n).usual_port for n in (1, 2)]
    second = role(loaded, "simulator", 2)
    assert ("simulator-2", 6096) == (second.name, second.usual_port)
    assert "--slot 2" in " ".join(second.words)
    assert "SMARTMETER_ARCHIVE__WEB_PORT" == role(loaded, "archive", 1).port_variable
    with pytest.raises(ValueError, match="no stage"):
        role(loaded, "oven", 1)
