"""The product's own processes on a stack: bridge, workers, archive, simulator."""

import http
import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson

from app import settings
from app.settings import Settings
from deploy.local import ports, readiness, targets
from deploy.local.errors import LauncherError
from deploy.local.ledger import Entry
from deploy.local.process import ROOT, Process, spawn, tail
from deploy.local.servers.base import Report
from deploy.local.stack import Stack

__all__ = ["Role", "System"]

OPERATOR = "operator"  # who makes topics and tables
ACCOUNTS = {"simulate": "simulator"}  # the others are called like their command
COMMAND_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 30.0
ANSWER_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One process: its command, and the setting or option that holds its port."""

    name: str
    words: tuple[str, ...]
    usual_port: int
    port_variable: str = ""  # empty: the option --port

    @property
    def account(self) -> str:
        """Who it is to the servers, where they ask."""
        return ACCOUNTS.get(self.words[0], self.words[0])


class System:
    """The processes of one run."""

    def __init__(self, stack: Stack, loaded: Settings, report: Report) -> None:
        self.ports: dict[str, int] = {}
        self._stack = stack
        self._loaded = loaded
        # The exporter takes names of letters, digits and underscores.
        pids = ",".join(
            f"{name.replace('-', '_')}={stack.process(name).pid}"
            for name in stack.servers
        )
        self._pids = {settings.variable("exporter", "processes"): pids}
        self._report = report
        self._processes: dict[str, Process] = {}
        self._others = ports.free()
        targets.clear(stack.folder)  # those of a launcher that was killed

    @property
    def read_token(self) -> str:
        """The token by which the figures of workers are read; empty: none is asked."""
        return self._stack.read_token

    def roles(self, workers: int) -> list[Role]:
        """Return the processes that carry readings on; the simulator comes later."""
        loaded = self._loaded
        return [
            Role(
                name="bridge",
                words=("bridge",),
                usual_port=loaded.bridge.port,
                port_variable=settings.variable("bridge", "port"),
            ),
            *(
                Role(
                    name=f"worker-{number + 1}",
                    words=("worker",),
                    usual_port=loaded.worker.port + number,
                    port_variable=settings.variable("worker", "port"),
                )
                for number in range(workers)
            ),
            Role(
                name="archive",
                words=("archive",),
                usual_port=loaded.archive.web_port,
                port_variable=settings.variable("archive", "web_port"),
            ),
            Role(
                name="exporter",
                words=("exporter",),
                usual_port=loaded.exporter.port,
                port_variable=settings.variable("exporter", "port"),
            ),
        ]

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

    def start(self, *roles: Role) -> None:
        """Start processes, and wait until each says that it is ready."""
        for role in roles:
            self._spawn(role)
        for role in roles:
            port = self.ports[role.name]
            readiness.wait_until_ready(
                role.name,
                process=self._processes[role.name],
                probe=lambda port=port: _ask_ready(port),  # type: ignore[misc] # bound now
                log=self._stack.log(role.name),
                given_up=threading.Event(),
            )
            self._report(f"{role.name}: ready at http://{ports.HOST}:{port}")

    def require_alive(self) -> None:
        """Make sure that nothing has ended by itself.

        Raises:
            LauncherError: Something has; with the end of its log.
        """
        servers = {name: self._stack.process(name) for name in self._stack.servers}
        for name, process in {**self._processes, **servers}.items():
            if not process.alive:
                what = f"{readiness.ended(process)} by itself"
                raise readiness.failure(name, what, self._stack.log(name))

    def finish(self, name: str) -> Mapping[str, object]:
        """Stop a process that prints a JSON summary last, and return that."""
        process = self._processes.pop(name)
        targets.clear(self._stack.folder, name)
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

    @property
    def alive(self) -> list[str]:
        """Names of the processes that run."""
        return [name for name, process in self._processes.items() if process.alive]

    def end(self, name: str) -> None:
        """Stop one process in good order; others take its work over."""
        process = self._processes.pop(name)
        self.ports.pop(name, None)
        targets.clear(self._stack.folder, name)
        process.stop(STOP_SECONDS_MAX)
        self._report(f"{name}: stopped")

    def stop(self) -> None:
        """Stop what still runs, side by side."""
        targets.clear(self._stack.folder)
        running = [process for process in self._processes.values() if process.alive]
        if running:
            with ThreadPoolExecutor(len(running)) as pool:
                list(pool.map(lambda process: process.stop(STOP_SECONDS_MAX), running))
        self._processes.clear()
        self.ports.clear()

    def _environ(self, account: str) -> dict[str, str]:
        """Return the environment of a process that is this account to the servers."""
        ours = self._stack.environ(self._loaded.namespace, account) | self._pids
        secrets = {
            name.removesuffix("_FILE") for name in ours if name.endswith("_FILE")
        }
        others = {key: text for key, text in os.environ.items() if key not in secrets}
        return others | ours

    def _spawn(self, role: Role) -> None:
        port = role.usual_port
        if port in self.ports.values() or not ports.is_free(port):
            port = next(self._others)
            self._report(
                f"{role.name}: port {role.usual_port} is taken, {port} serves instead"
            )
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
        self._stack.guard.watch(process)
        entry = Entry(pid=process.pid, started=process.started, ports={"web": port})
        self._stack.ledger.write(role.name, entry)
        self._processes[role.name] = process
        self.ports[role.name] = port
        targets.write(self._stack.folder, role.name, port)


def _ask_ready(port: int) -> None:
    """Raise unless a process says that it is ready."""
    connection = http.client.HTTPConnection(
        ports.HOST, port, timeout=ANSWER_SECONDS_MAX
    )
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace").strip()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise LauncherError(text or f"status {answer.status}")
