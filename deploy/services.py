"""The services of the system, and what can be done with them at a Python prompt.

`start_services.py` is the prompt. The same words work over the local launcher
(deploy/services_local.py) and over Docker (deploy/services_docker.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["SERVERS", "SERVICES", "STAGES", "Backend", "Prompt", "Unknown"]

SERVERS = ("nats", "kafka", "cassandra")
STAGES = ("bridge", "worker", "archive", "exporter", "simulator")
BOARDS = ("prometheus", "grafana")
SERVICES = (*SERVERS, *STAGES, *BOARDS)
# What the original called them.
ALSO = {
    "inject": "simulator",
    "app_streaming": "worker",
    "app-streaming": "worker",
    "prediction_trainer": "worker",
    "prediction_oracle": "worker",
    "cassandra-inject": "archive",
    "cassandra_inject": "archive",
    "cassandra_cluster_main": "cassandra",
    "prometheus_nats_exporter": "exporter",
}

Step = tuple[str, *tuple[object, ...]]


class Unknown(LookupError):
    """There is no such service, or no such step."""


class Printed(str):
    """What a command has printed; the prompt shows it as it is, not quoted."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Backend(Protocol):
    """Where services run: processes of this machine, or a Docker."""

    @property
    def services(self) -> Sequence[str]:
        """Which services it has."""

    def running(self) -> dict[str, int]:
        """Return how many of each service run."""

    def serve(self) -> None:
        """Have all servers run, as many as the mode has, side by side."""

    def scale(self, name: str, replicas: int) -> None:
        """Have so many of a service run: start, add, take away, or stop with 0."""

    def remove(self, name: str) -> None:
        """Stop a service; its data stay."""

    def once(self, *words: str) -> str:
        """Run one command of `smartmeter` to its end; return what it printed."""

    def logs(self, name: str, lines: int) -> str:
        """Return the end of what a service has logged."""

    def stop_all(self) -> None:
        """Stop what this project started here, and nothing else; data stay."""


@dataclass(frozen=True)
class Prompt:
    """What a person can say; every method is a name at the prompt."""

    backend: Backend
    say: Callable[[str], None] = print

    @property
    def names(self) -> dict[str, Callable[..., object]]:
        """Every word of the prompt, with the steps of each service."""
        words: dict[str, Callable[..., object]] = {
            word: getattr(self, word)
            for word in (
                "run",
                "run_inject",
                "run_inject_cluster",
                "run_app_batch",
                "create_service",
                "update_replicas",
                "get_service",
                "rm_service",
                "stop_all",
                "services",
                "logs",
            )
        }
        for name in SERVICES:
            words[f"create_{name}"] = lambda n=1, name=name: self.create_service(
                name, n
            )
            words[f"stop_{name}"] = lambda name=name: self.update_replicas(name, 0)
            words[f"scale_{name}"] = lambda n, name=name: self.update_replicas(name, n)
            words[f"rm_{name}"] = lambda name=name: self.rm_service(name)
        return words

    def run(self, steps: Sequence[Step]) -> None:
        """Carry out steps in order, each a word of the prompt and its arguments.

        Example:
            run([("create_service", "nats", 1), ("rm_service", "simulator")])
        """
        words = self.names
        for word, *_ in steps:
            if word not in words:
                raise Unknown(f"no step {word!r}; there are {', '.join(sorted(words))}")
        for word, *arguments in steps:
            self.say(f"----- {word} {' '.join(map(str, arguments))}".rstrip())
            words[word](*arguments)

    def run_inject(self, replicas: int = 1) -> None:
        """Start everything, and so many simulators at last."""
        self._everything(bridges=1, workers=1, archives=1, simulators=replicas)

    def run_inject_cluster(self, replicas: int = 1) -> None:
        """Start everything, with two bridges, three workers and two archive workers.

        The servers are as many as the prompt's mode says: `cluster` for three each.
        """
        self._everything(bridges=2, workers=3, archives=2, simulators=replicas)

    def run_app_batch(self) -> str:
        """Average the voltage by transformer and day, over all that is stored."""
        return Printed(self.backend.once("batch", "averages"))

    def create_service(self, name: str, replicas: int = 1) -> None:
        """Have so many of a service run; what runs already is kept."""
        self.backend.scale(self._known(name), _counted(replicas))

    def update_replicas(self, name: str, replicas: int) -> None:
        """Have more or fewer of a service run; 0 stops it."""
        self.backend.scale(self._known(name), _counted(replicas))

    def get_service(self, name: str) -> int:
        """Return how many of a service run."""
        return self.backend.running().get(self._known(name), 0)

    def rm_service(self, name: str) -> None:
        """Stop a service and forget it; its data stay."""
        self.backend.remove(self._known(name))

    def stop_all(self) -> None:
        """Stop what this project started, and nothing else; data stay."""
        self.backend.stop_all()

    def services(self) -> dict[str, int]:
        """Return how many of each service run."""
        return self.backend.running()

    def logs(self, name: str, lines: int = 20) -> None:
        """Print the end of what a service has logged."""
        self.say(self.backend.logs(self._known(name), lines))

    def _everything(self, **counts: int) -> None:
        self.say(f"----- {', '.join(SERVERS)}")
        self.backend.serve()
        self.say("----- topics and tables")
        self.backend.once("topics")
        self.backend.once("schema", "apply")
        order = [
            ("bridge", counts["bridges"]),
            ("worker", counts["workers"]),
            ("archive", counts["archives"]),
            ("exporter", 1),
            *((name, 1) for name in BOARDS if name in self.backend.services),
            ("simulator", counts["simulators"]),
        ]
        running = self.backend.running()
        for name, count in order:
            # What somebody has scaled up meanwhile stays so.
            self.run([("create_service", name, max(count, running.get(name, 0)))])

    def _known(self, name: str) -> str:
        known = ALSO.get(name, name)
        if known not in self.backend.services:
            raise Unknown(
                f"no service {name!r} here; there are"
                f" {', '.join(self.backend.services)}"
            )
        return known


def _counted(replicas: int) -> int:
    if replicas < 0:
        raise ValueError(f"{replicas} replicas: 0 stops a service")
    return replicas
