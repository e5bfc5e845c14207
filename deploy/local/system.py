"""The product's own processes on a stack: bridges, workers, archive, simulators."""

import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import orjson

from app import settings
from app.settings import Settings
from deploy.local import ports, readiness, targets
from deploy.local.errors import LauncherError
from deploy.local.kept import Kept
from deploy.local.pages import Pages
from deploy.local.process import ROOT, spawn, tail
from deploy.local.roles import Role, role
from deploy.local.servers.base import Report
from deploy.local.stack import Stack

__all__ = ["System"]

OPERATOR = "operator"  # who makes topics and tables
COMMAND_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 30.0
SHARED = ("bridge", "worker")  # one without a lane has nothing to do


class System:
    """The processes of one folder: start, scale, stop; deploy/local/supervisor.py."""

    def __init__(self, stack: Stack, loaded: Settings, report: Report) -> None:
        self.ports: dict[str, int] = {}  # of those that are to run
        self._stack = stack
        self._loaded = loaded
        # The exporter takes names of letters, digits and underscores.
        pids = ",".join(
            f"{name.replace('-', '_')}={stack.process(name).pid}"
            for name in stack.servers
        )
        self._pids = {settings.variable("exporter", "processes"): pids}
        self._report = report
        self._kept: dict[str, Kept] = {}
        self._others = ports.free()
        self._table = threading.RLock()  # of what is kept; never held while waiting
        self._changing = threading.Lock()  # one start or scale at a time
        targets.clear(stack.folder)  # those of a launcher that was killed

    @property
    def pages(self) -> Pages:
        """How the pages of the processes are asked."""
        return self._stack.pages

    @property
    def kept(self) -> list[Kept]:
        """The processes that are to run."""
        with self._table:
            return list(self._kept.values())

    @property
    def alive(self) -> list[str]:
        """Names of the processes that run."""
        return [kept.role.name for kept in self.kept if kept.process.alive]

    def operator(self) -> dict[str, str]:
        """Return the settings by which a person's tools reach the servers."""
        return self._stack.environ(self._loaded.namespace, OPERATOR)

    def command(self, *words: str) -> str:
        """Run one command of the product to its end; return what it printed.

        Raises:
            LauncherError: It failed; with its last lines.
        """
        done = subprocess.run(
            [sys.executable, "-m", "app", *words],
            cwd=ROOT,
            env=self._environ(OPERATOR),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        if done.returncode:
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
            raise LauncherError(f"`smartmeter {' '.join(words)}` failed:\n{last}")
        return done.stdout

    # Start, scale, stop -------------------------------------------------------------

    def start(self, *roles: Role) -> None:
        """Start processes, and wait until each says that it is ready.

        Raises:
            LauncherError: One ends instead, with the end of its log, or others are
                being started.
        """
        with self._one_change():
            self._start(roles)

    def scale(self, stage: str, count: int, **options: object) -> list[str]:
        """Have so many processes of a stage; return what was done, a line for each.

        Raises:
            LauncherError: So many have no lane each, or one does not start.
        """
        lanes = self._loaded.kafka.lanes
        if stage in SHARED and count > lanes:
            raise LauncherError(
                f"{stage}: {count} would share {lanes} lanes, and one without a lane"
                " has nothing to do"
            )
        with self._one_change():
            wanted = [
                role(self._loaded, stage, number, **options)  # type: ignore[arg-type] # rate, source
                for number in range(1, count + 1)
            ]
            there = {k.role.name for k in self.kept if k.role.stage == stage}
            gone = sorted(there - {each.name for each in wanted})
            for name in gone:
                self.end(name)
            new = [each for each in wanted if each.name not in there]
            self._start(new)
        ready = [self._ready_at(each.name) for each in new]
        return [f"{name}: stopped" for name in gone] + ready

    def end(self, name: str) -> None:
        """Stop one process in good order; others take its work over."""
        if kept := self.forget(name):
            kept.process.stop(STOP_SECONDS_MAX)
            self._report(f"{name}: stopped")

    def finish(self, name: str) -> Mapping[str, object]:
        """Stop a process that prints a JSON summary last, and return that."""
        kept = self.forget(name)
        if kept is None:
            raise LauncherError(f"{name} does not run any more")
        process = kept.process
        process.stop(STOP_SECONDS_MAX)
        last = tail(self._stack.log(name), lines=1)
        try:
            summary = orjson.loads(last)
        except orjson.JSONDecodeError:
            what = f"printed no summary (exit code {process.exit_code})"
            raise readiness.failure(name, what, self._stack.log(name)) from None
        if not isinstance(summary, dict):
            raise readiness.failure(name, "printed no summary", self._stack.log(name))
        return summary

    def stop(self) -> None:
        """Stop what still runs, side by side."""
        targets.clear(self._stack.folder)
        with self._table:
            kept = list(self._kept.values())
            self._kept.clear()
            self.ports.clear()
        running = [each.process for each in kept if each.process.alive]
        if running:
            with ThreadPoolExecutor(len(running)) as pool:
                list(pool.map(lambda process: process.stop(STOP_SECONDS_MAX), running))

    # For the supervisor -------------------------------------------------------------

    def again(self, kept: Kept) -> None:
        """Start a process again that has ended, unless nobody wants it any more."""
        with self._table:
            if self.keeps(kept):
                self._spawn(kept.role, kept)

    def keeps(self, kept: Kept) -> bool:
        """Say whether somebody still wants a process."""
        with self._table:
            return self._kept.get(kept.role.name) is kept

    def forget(self, name: str) -> Kept | None:
        """Keep a process no more; whether it runs is the caller's business."""
        with self._table:
            kept = self._kept.pop(name, None)
            self.ports.pop(name, None)
        targets.clear(self._stack.folder, name)
        return kept

    def log(self, name: str) -> Path:
        """Return where a process's output goes."""
        return self._stack.log(name)

    def require_servers(self) -> None:
        """Make sure that every server runs: they are not started again.

        Raises:
            LauncherError: One has ended; with the end of its log.
        """
        for name in self._stack.servers:
            process = self._stack.process(name)
            if not process.alive:
                what = f"{readiness.ended(process)} by itself"
                raise readiness.failure(name, what, self._stack.log(name))

    # Inside -------------------------------------------------------------------------

    @contextmanager
    def _one_change(self) -> Iterator[None]:
        if not self._changing.acquire(blocking=False):
            raise LauncherError("others are being started or stopped: try again then")
        try:
            yield
        finally:
            self._changing.release()

    def _start(self, roles: Sequence[Role]) -> None:
        with self._table:
            new = [self._spawn(each) for each in roles]
        try:
            for kept in new:
                try:
                    self._wait_until_ready(kept)
                except LauncherError:
                    if kept.process.alive or ports.is_free(kept.port):
                        raise
                    # Somebody took its port between our look and its own.
                    self.again(kept)
                    self._wait_until_ready(kept)
                kept.is_ready = kept.was_ready = True
                self._report(self._ready_at(kept.role.name))
        except BaseException:
            for kept in new:
                if not kept.was_ready:
                    self.forget(kept.role.name)
                    kept.process.stop(STOP_SECONDS_MAX)
            raise

    def _wait_until_ready(self, kept: Kept) -> None:
        readiness.wait_until_ready(
            kept.role.name,
            process=kept.process,
            probe=functools.partial(self.pages.require_ready, kept.port),
            log=self._stack.log(kept.role.name),
            given_up=threading.Event(),
        )

    def _ready_at(self, name: str) -> str:
        return f"{name}: ready at {self.pages.url(self.ports.get(name, 0))}"

    def _environ(self, account: str) -> dict[str, str]:
        """Return the environment of a process that is this account to the servers."""
        ours = self._stack.environ(self._loaded.namespace, account) | self._pids
        secrets = {
            name.removesuffix("_FILE") for name in ours if name.endswith("_FILE")
        }
        others = {key: text for key, text in os.environ.items() if key not in secrets}
        return others | ours

    def _spawn(self, role: Role, former: Kept | None = None) -> Kept:
        """Start a process, or one that has ended again, where it was before."""
        wished = former.port if former else role.usual_port
        port, taken = wished, {p for n, p in self.ports.items() if n != role.name}
        if port in taken or not ports.is_free(port):
            port = next(self._others)
            self._report(f"{role.name}: port {wished} is taken, {port} serves instead")
        words, environ = list(role.words), self._environ(role.account)
        if role.port_variable:
            environ[role.port_variable] = str(port)
        else:
            words += ["--port", str(port)]
        process = spawn(
            [sys.executable, "-m", "app", *words],
            log=self._stack.log(role.name),
            environ=environ,
        )
        self._stack.note(role.name, process, {"web": port})
        if former is None:
            kept = Kept(role=role, process=process, port=port)
        else:
            former.respawned(process, port)
            kept = former
        self._kept[role.name] = kept
        self.ports[role.name] = port
        scheme = self.pages.url(port).partition(":")[0]
        targets.write(self._stack.folder, role.name, port, scheme)
        return kept
