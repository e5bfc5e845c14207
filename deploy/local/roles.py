"""The product's processes by stage and number: what starts each, and its usual port."""

from collections.abc import Iterator
from dataclasses import dataclass

from app import settings
from app.settings import Settings

__all__ = ["RATE", "SIMULATOR", "SIMULATOR_PORT", "Role", "role", "usual"]

SIMULATOR = "simulator"
SIMULATOR_PORT = 6095
RATE = 500  # readings per second of a simulator
ACCOUNTS = {"simulate": "simulator"}  # the others are called like their command


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One process: its command, and the setting or option that holds its port."""

    name: str
    words: tuple[str, ...]
    usual_port: int
    port_variable: str = ""  # empty: the option --port

    @property
    def stage(self) -> str:
        """What it is one of."""
        return self.name.partition("-")[0]

    @property
    def account(self) -> str:
        """Who it is to the servers, where they ask."""
        return ACCOUNTS.get(self.words[0], self.words[0])


def role(
    loaded: Settings,
    stage: str,
    number: int,
    *,
    rate: int = RATE,
    source: str = "generated",
) -> Role:
    """Return the process of a number, from 1: `worker-2`; simulators have its slot.

    Raises:
        ValueError: There is no such stage.
    """
    name = f"{stage}-{number}"
    if stage == SIMULATOR:
        options = ("--slot", str(number), "--rate", str(rate), "--source", source)
        port = SIMULATOR_PORT + number - 1
        return Role(name=name, words=("simulate", *options), usual_port=port)
    ports = {
        "bridge": ("port", loaded.bridge.port),
        "worker": ("port", loaded.worker.port),
        "archive": ("web_port", loaded.archive.web_port),
        "exporter": ("port", loaded.exporter.port),
    }
    if stage not in ports:
        raise ValueError(f"no stage {stage!r}")
    field, port = ports[stage]
    return Role(
        name=name,
        words=(stage,),
        usual_port=port + number - 1,
        port_variable=settings.variable(stage, field),
    )


def usual(loaded: Settings, workers: int) -> Iterator[Role]:
    """Yield the processes that carry readings on, so many of them live workers."""
    yield role(loaded, "bridge", 1)
    for number in range(1, workers + 1):
        yield role(loaded, "worker", number)
    yield role(loaded, "archive", 1)
    yield role(loaded, "exporter", 1)
