"""A process of each stage by its number, for those who start them one by one."""

from app import settings
from app.settings import Settings
from deploy.local.system import Role

__all__ = ["role"]

SIMULATOR_PORT = 6095


def role(loaded: Settings, stage: str, number: int, rate: int = 500) -> Role:
    """Return the process of a number, from 1: `worker-2`; simulators have its slot.

    Raises:
        ValueError: There is no such stage.
    """
    name = f"{stage}-{number}"
    if stage == "simulator":
        words = ("simulate", "--slot", str(number), "--rate", str(rate))
        return Role(name=name, words=words, usual_port=SIMULATOR_PORT + number - 1)
    usual = {
        "bridge": ("port", loaded.bridge.port),
        "worker": ("port", loaded.worker.port),
        "archive": ("web_port", loaded.archive.web_port),
        "exporter": ("port", loaded.exporter.port),
    }
    if stage not in usual:
        raise ValueError(f"no stage {stage!r}")
    field, port = usual[stage]
    return Role(
        name=name,
        words=(stage,),
        usual_port=port + number - 1,
        port_variable=settings.variable(stage, field),
    )
