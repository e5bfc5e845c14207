"""A process that is to run, and what becomes of it when it ends."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import readiness
from deploy.local.process import Process
from deploy.local.restarts import RESTARTS_MAX, WITHIN_SECONDS, Restarts
from deploy.local.roles import SIMULATOR, Role

__all__ = ["Kept"]

MINUTES = f"{WITHIN_SECONDS / 60:.0f} minutes"


@dataclass(kw_only=True)
class Kept:
    """A process that is to run, however often it ends.

    begun and again_at are times of the clock that only goes on. was_ready: from then
    on it is started again; before, its end is a matter of who starts it. again_at: it
    has ended, and is started again then.
    """

    role: Role
    process: Process
    port: int
    begun: float = field(default_factory=time.monotonic)
    was_ready: bool = False
    is_ready: bool = False
    again_at: float | None = None
    restarts: Restarts = field(default_factory=Restarts)

    @property
    def state(self) -> str:
        """How it is, for a person."""
        if self.again_at is not None:
            seconds = max(0.0, self.again_at - time.monotonic())
            return f"ended; starts in {seconds:.0f} s"
        if not self.process.alive:
            return "ended"
        return "running" if self.is_ready else "starting"

    def ended(self, log: Path) -> str:
        """Decide what follows from its end; return that as a line.

        Raises:
            LauncherError: It is not started again; with the end of its log.
        """
        name, how = self.role.name, readiness.ended(self.process)
        now = time.monotonic()
        self.is_ready = False
        if self.role.stage == SIMULATOR:
            # What it published and had not said yet is not known to anybody.
            raise readiness.failure(name, f"{how} by itself", log)
        pause = self.restarts.ended(now)
        if pause is None:
            what = (
                f"{how}, for the {RESTARTS_MAX + 1}th time within {MINUTES},"
                " and is not started again"
            )
            raise readiness.failure(name, what, log)
        self.again_at = now + pause
        return (
            f"{name}: {how} after {now - self.begun:.0f} s, starts again in"
            f" {pause:.0f} s (restart {self.restarts.recent(now)} of at most"
            f" {RESTARTS_MAX} within {MINUTES}); log: {_short(log)}.1"
        )

    def respawned(self, process: Process, port: int) -> None:
        """Note that it runs again."""
        self.process, self.port = process, port
        self.begun, self.again_at = time.monotonic(), None


def _short(path: Path) -> str:
    """Return a path as somebody in this folder would type it."""
    return str(
        path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    )
