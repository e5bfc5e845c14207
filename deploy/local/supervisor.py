"""Starts again what has ended by itself, for as long as it is open."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from deploy.local.errors import LauncherError
from deploy.local.kept import Kept
from deploy.local.servers.base import Report
from deploy.local.system import System

__all__ = ["Supervisor"]

LOOK_SECONDS = 0.25
ANSWER_SECONDS_MAX = 1.0


class Supervisor:
    """Looks after the processes of a system; use as a context manager.

    failed is called, from a thread, with why a process is not started again.
    """

    def __init__(
        self, system: System, report: Report, failed: Callable[[Exception], None]
    ) -> None:
        self._system = system
        self._report = report
        self._failed = failed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_regularly, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def look(self) -> None:
        """Look at each process once.

        Raises:
            LauncherError: One is not started again, and kept no more.
        """
        for kept in self._system.kept:
            if kept.was_ready:
                self._look_at(kept)

    def _look_at(self, kept: Kept) -> None:
        name = kept.role.name
        if kept.again_at is not None:
            if time.monotonic() >= kept.again_at:
                self._system.again(kept)
        elif not kept.process.alive:
            if not self._system.keeps(kept):
                return  # somebody has stopped it meanwhile
            try:
                self._report(kept.ended(self._system.log(name)))
            except LauncherError:
                self._system.forget(name)
                raise
        elif not kept.is_ready and self._answers(kept):
            kept.is_ready = True
            seconds = time.monotonic() - kept.begun
            where = self._system.pages.url(kept.port)
            self._report(f"{name}: ready again at {where}, after {seconds:.0f} s")

    def _answers(self, kept: Kept) -> bool:
        try:
            self._system.pages.require_ready(kept.port, ANSWER_SECONDS_MAX)
        except Exception:  # noqa: BLE001 - whatever it is, it is not ready
            return False
        return True

    def _look_regularly(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - who waits for us must hear it
                self._failed(error)
