"""Services as processes of this machine, over the local launcher."""

from contextlib import ExitStack
from pathlib import Path

from app import settings
from deploy.local import cluster, control, status
from deploy.local.errors import LauncherError
from deploy.local.process import tail
from deploy.local.servers.base import Report
from deploy.local.supervisor import Supervisor
from deploy.local.system import System
from deploy.services import SERVERS, STAGES

__all__ = ["Local"]

RATE_SINGLE, RATE_CLUSTER = 500, 600  # readings per second of a simulator, as ever


class Local:
    """The services of one folder; all that it starts ends with this process."""

    services = (*SERVERS, *STAGES)

    def __init__(
        self,
        folder: Path,
        *,
        nodes: cluster.Nodes | None = None,
        usual_ports: bool = True,
        report: Report = print,
    ) -> None:
        """Take a folder for ourselves; with nodes, its servers are a cluster.

        Raises:
            LauncherError: Another launcher is at work there.
        """
        self._report = report
        self._rate = RATE_CLUSTER if nodes else RATE_SINGLE
        self._stack = cluster.opened(
            folder, nodes, usual_ports=usual_ports, report=report
        )
        self._ends = ExitStack()
        self._ends.enter_context(self._stack.ledger.held("run"))
        self._processes_end = ExitStack()
        self._system: System | None = None

    def running(self) -> dict[str, int]:
        """Return how many of each service run."""
        names = [n for n in self._stack.servers if self._stack.process(n).alive]
        names += self._system.alive if self._system else []
        counts = dict.fromkeys(self.services, 0)
        for name in names:
            counts[name.partition("-")[0]] += 1
        return counts

    def serve(self) -> None:
        """Have all servers run."""
        self._stack.start()

    def scale(self, name: str, replicas: int) -> None:
        """Have so many of a service run."""
        if name in SERVERS:
            self._scale_server(name, replicas)
        else:
            self._scale_stage(name, replicas)

    def remove(self, name: str) -> None:
        """Stop a service; its data stay."""
        self.scale(name, 0)

    def once(self, *words: str) -> str:
        """Run one command of `smartmeter` to its end; return what it printed."""
        return self._whole().command(*words)

    def logs(self, name: str, lines: int) -> str:
        """Return the end of the logs of a service's processes."""
        logs = sorted(self._stack.log(name).parent.glob(f"{name}*.log"))
        return "\n".join(f"== {log.stem}\n{tail(log, lines)}" for log in logs)

    def stop_all(self) -> None:
        """Stop all of the folder, and nothing else; data stay."""
        self._processes_end.close()
        self._system = None
        self._stack.stop(*self._stack.servers)

    def close(self) -> None:
        """Stop all, and let others have the folder."""
        self.stop_all()
        self._stack.close()
        self._ends.close()

    def _scale_server(self, name: str, replicas: int) -> None:
        nodes = [n for n in self._stack.servers if n.partition("-")[0] == name]
        if replicas > len(nodes):
            raise LauncherError(
                f"{name}: {len(nodes)} at most here; data are spread once and for all,"
                " so that the number of servers is the mode's (`single`, `cluster`)"
            )
        if replicas:
            self._stack.start(*nodes[:replicas])
        self._stack.stop(*nodes[replicas:])

    def _scale_stage(self, stage: str, count: int) -> list[str]:
        if not count and self._system is None:
            return []
        return self._whole().scale(stage, count, rate=self._rate)

    def _whole(self) -> System:
        """Return the processes on the servers, which must run."""
        if self._system is not None:
            return self._system
        away = [n for n in self._stack.servers if not self._stack.process(n).alive]
        if away:
            raise LauncherError(
                f"{', '.join(away)} must run first: create_service({away[0]!r})"
            )
        system = System(self._stack, settings.load(), self._report)
        self._processes_end.callback(system.stop)
        supervisor = Supervisor(system, self._report, lambda e: self._report(str(e)))
        self._processes_end.enter_context(supervisor)
        actions: control.Actions = {
            "ps": lambda: list(status.rows(self._stack, system)),
            "environ": system.operator,
            "scale": self._scale_stage,
            "stop": self._stop_asked,
        }
        self._processes_end.enter_context(control.serve(self._stack.folder, actions))
        self._system = system
        return system

    @staticmethod
    def _stop_asked() -> int:
        raise LauncherError("a Python prompt runs this: say stop_all() there")
