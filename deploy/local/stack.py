"""The servers of one folder: start, find again, stop, and the faults that tests need.

>>> stack = Stack(Path("/tmp/servers"), usual_ports=False)  # doctest: +SKIP
>>> with stack.running("nats", "kafka"):  # doctest: +SKIP
...     stack.kill("kafka")
...     stack.restart("kafka")
"""

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from app import settings
from deploy.local import ports, readiness
from deploy.local.errors import LauncherError
from deploy.local.guard import Guard
from deploy.local.ledger import Entry, Ledger
from deploy.local.pages import Pages
from deploy.local.process import Process, spawn
from deploy.local.servers.base import Report, Server
from deploy.local.servers.cassandra import Cassandra
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.nats import Nats

__all__ = ["SERVERS", "Stack"]

SERVERS: dict[str, Server] = {s.name: s for s in (Nats(), Kafka(), Cassandra())}


class Stack:
    """The servers whose files lie in one folder.

    What this object starts ends with this process, unless `release` is called.
    """

    def __init__(
        self,
        folder: Path,
        *,
        usual_ports: bool = True,
        report: Report = lambda _: None,
        servers: Mapping[str, Server] = SERVERS,
    ) -> None:
        self.folder = folder.absolute()
        self.servers = servers
        self.ledger = Ledger(self.folder)
        self._usual_ports = usual_ports
        self._report = report
        self.guard = Guard()
        self._children: dict[str, Process] = {}
        self._writing = threading.Lock()

    # Life -----------------------------------------------------------------------

    @contextmanager
    def running(self, *names: str) -> Iterator["Stack"]:
        """Start servers (default: all), and stop those that it started at the end."""
        started = self.start(*names)
        try:
            yield self
        finally:
            self.stop(*started)
            self.close()

    def start(self, *names: str) -> list[str]:
        """Start the servers that do not run, and wait until all can be used.

        Returns: the names of those that it started.

        Raises:
            LauncherError: One does not come up; all that it started are stopped again.
        """
        wanted = [self.servers[name] for name in names or self.servers]
        with self.ledger.held():
            missing = [s for s in wanted if not self.process(s.name).alive]
            for server in missing:
                server.fetch(self._report)
            chosen = {s.name: self._choose_ports(s) for s in missing}
            try:
                self._start_together(wanted, chosen)
            except BaseException:
                self.stop(*chosen)
                raise
        return list(chosen)

    def stop(self, *names: str) -> list[str]:
        """Stop servers (none named: none) in good order, side by side.

        Returns: the names of those that ran.
        """
        running = [name for name in names if self.process(name).alive]
        if running:
            with ThreadPoolExecutor(len(running)) as pool:
                list(pool.map(self._stop, running))
        return running

    def restart(self, *names: str) -> None:
        """Stop servers where they run, and start them on the same ports and data."""
        self.stop(*names)
        self.start(*names)

    def note(self, name: str, process: Process, its_ports: dict[str, int]) -> None:
        """Have a process end with this one, and found again by others."""
        with self._writing:
            self.guard.watch(process)
            entry = Entry(pid=process.pid, started=process.started, ports=its_ports)
            self.ledger.write(name, entry)

    def release(self) -> None:
        """Let the servers run on after this process's end."""
        self.guard.release()

    def close(self) -> None:
        """End what this object started and still runs."""
        self.guard.close()

    def wipe(self) -> None:
        """Remove the data and logs of all servers, none of which may run."""
        if self.addresses:
            raise LauncherError("servers run: stop them first (`down`)")
        for name in (*self.servers, "logs"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    # Faults ---------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """End a server as a power cut would (SIGKILL)."""
        self.process(name).kill()

    def pause(self, name: str) -> None:
        """Freeze a server: its connections stay, it answers nothing (SIGSTOP)."""
        self.process(name).pause()

    def resume(self, name: str) -> None:
        """Let a frozen server go on (SIGCONT)."""
        self.process(name).resume()

    # Facts ----------------------------------------------------------------------

    def process(self, name: str) -> Process:
        """Return the process of a server; one that never was is not alive."""
        if name in self._children and self._children[name].alive:
            return self._children[name]
        entry = self.ledger.read().get(name)
        return entry.process if entry else Process(pid=0, started=0.0)

    @property
    def addresses(self) -> dict[str, str]:
        """Addresses of the running servers, by name."""
        return {
            name: address
            for server, entry in self._alive()
            for name, address in server.addresses(entry.ports).items()
        }

    def environ(self, namespace: str, account: str = "") -> dict[str, str]:
        """Return the product's settings for the running servers and a namespace.

        The account is who a process is to them; open servers do not ask.
        """
        del account
        found = {settings.variable("namespace"): namespace}
        for server, entry in self._alive():
            found |= server.environ(entry.ports)
        return found

    @property
    def pages(self) -> Pages:
        """How the pages of processes are asked: of open ones, as anybody does."""
        return Pages()

    def log(self, name: str) -> Path:
        """Return where a server's output goes."""
        return self.folder / "logs" / f"{name}.log"

    # Inside ---------------------------------------------------------------------

    def _alive(self) -> Iterator[tuple[Server, Entry]]:
        entries = self.ledger.read()
        for name, server in self.servers.items():
            if name in entries and self.process(name).alive:
                yield server, entries[name]

    def _choose_ports(self, server: Server) -> dict[str, int]:
        """Take the usual ports, or those it had, or others, and say so.

        A server that this object starts again keeps its ports: clients wait there.
        """
        entry = self.ledger.read().get(server.name)
        known = entry.ports if entry else {}
        keep = server.name in self._children or not self._usual_ports
        others = ports.free()
        chosen = {}
        for role, usual in server.usual_ports.items():
            before = known.get(role) or next(others)
            wished = before if keep else usual
            chosen[role] = next(filter(ports.is_free, (wished, before)), next(others))
            if chosen[role] != wished:
                self._report(
                    f"{server.name}: port {wished} ({role}) is taken,"
                    f" {chosen[role]} serves instead"
                )
        return chosen

    def _start_together(
        self, wanted: Sequence[Server], chosen: dict[str, dict[str, int]]
    ) -> None:
        given_up = threading.Event()

        def start(server: Server) -> None:
            if server.name in chosen:
                self._spawn(server, chosen[server.name])
            self._wait_until_ready(server, given_up)

        with ThreadPoolExecutor(len(wanted)) as pool:
            futures = [pool.submit(start, server) for server in wanted]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                given_up.set()
                raise

    def _spawn(self, server: Server, its_ports: dict[str, int]) -> None:
        argv = server.prepare(self.folder / server.name, its_ports)
        process = spawn(argv, log=self.log(server.name))
        self._children[server.name] = process
        self.note(server.name, process, its_ports)
        self._report(f"{server.name}: starting (process {process.pid})")

    def _wait_until_ready(self, server: Server, given_up: threading.Event) -> None:
        its_ports = self.ledger.read()[server.name].ports
        readiness.wait_until_ready(
            server.name,
            process=self.process(server.name),
            probe=lambda: server.probe(its_ports),
            log=self.log(server.name),
            given_up=given_up,
        )
        where = ", ".join(server.addresses(its_ports).values())
        self._report(f"{server.name}: ready at {where}")

    def _stop(self, name: str) -> None:
        self.process(name).stop(self.servers[name].stop_seconds)
        self._report(f"{name}: stopped")
