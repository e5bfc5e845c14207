"""Services as containers, by `docker compose`: here, or by a context elsewhere."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.errors import LauncherError
from deploy.services import SERVERS, SERVICES

__all__ = ["Docker"]

FOLDER = Path(__file__).parent / "compose"
COMMAND_SECONDS_MAX = 1_800.0  # the first one builds the image and pulls the others
CLEAR_LINE = "\x1b[2K"  # Compose begins each line so, to whomever it prints
NODES = 3
RATE_SINGLE, RATE_CLUSTER = 500, 600


@dataclass(frozen=True, kw_only=True)
class Docker:
    """One Compose project; whatever else the Docker runs is not touched."""

    cluster: bool = False
    secrets: bool = False
    postfix: str = ""
    context: str = ""
    services: Sequence[str] = field(default=SERVICES, init=False)

    @property
    def project(self) -> str:
        """Name of the project; a cluster's data are not a single server's."""
        return "smartmeter-cluster" if self.cluster else "smartmeter"

    @property
    def environ(self) -> dict[str, str]:
        """Return what Compose puts into its files."""
        return {"SMARTMETER_POSTFIX": self.postfix}

    def docker(self, *words: str) -> list[str]:
        """Return a command line of Docker."""
        where = ["--context", self.context] if self.context else []
        return ["docker", *where, *words]

    def compose(self, *words: str) -> list[str]:
        """Return a command line of Compose on our files."""
        names = ["compose.yaml"]
        names += ["cluster.yaml"] if self.cluster else []
        names += ["secrets.yaml"] if self.secrets else []
        names += ["cluster-secrets.yaml"] if self.cluster and self.secrets else []
        files = [word for name in names for word in ("--file", str(FOLDER / name))]
        return self.docker("compose", "--project-name", self.project, *files, *words)

    def serving(self) -> list[str]:
        """Return the command line that has all servers run and be healthy."""
        nodes = [node for name in SERVERS for node in self._nodes(name)]
        return self.compose("up", "--detach", "--no-recreate", "--wait", *nodes)

    def scaling(self, name: str, replicas: int) -> list[list[str]]:
        """Return the command lines that have so many of a service run.

        Raises:
            LauncherError: There are not so many servers.
        """
        if name in SERVERS:
            return self._scaling_servers(name, replicas)
        commands = []
        if name == "simulator":
            commands = self._scaling_slots(replicas)
            replicas = min(replicas, 1)
        if not replicas:
            return [self.compose("stop", name), *commands]
        scale = f"{name}={replicas}"
        up = self.compose("up", "--detach", "--no-recreate", "--scale", scale, name)
        return [up, *commands]

    def stopping(self) -> list[list[str]]:
        """Return the command lines that stop this project and nothing else."""
        down = self.compose("down", "--remove-orphans")
        return [*self._scaling_slots(0), down]

    def running(self) -> dict[str, int]:
        """Return how many of each service run."""
        counts = dict.fromkeys(self.services, 0)
        for line in self._listed('{{.Label "com.docker.compose.service"}}'):
            name = line.removesuffix("-2").removesuffix("-3")
            counts[name] = counts.get(name, 0) + 1
        return counts

    def serve(self) -> None:
        """Have all servers run."""
        self._run(self.serving())

    def scale(self, name: str, replicas: int) -> None:
        """Have so many of a service run."""
        for command in self.scaling(name, replicas):
            self._run(command)

    def remove(self, name: str) -> None:
        """Stop a service and remove its containers; its data stay."""
        self.scale(name, 0)
        self._run(self.compose("rm", "--force", *self._nodes(name)))

    def once(self, *words: str) -> str:
        """Run one command of `smartmeter` in a container of its own."""
        return self._run(self.compose("run", "--rm", words[0], *words))

    def logs(self, name: str, lines: int) -> str:
        """Return the end of what a service has logged."""
        words = ("logs", "--no-color", "--tail", str(lines), *self._nodes(name))
        return self._run(self.compose(*words)).replace(CLEAR_LINE, "")

    def stop_all(self) -> None:
        """Stop this project's containers, and nothing else; data stay."""
        for command in self.stopping():
            self._run(command)

    def _nodes(self, name: str) -> list[str]:
        if name not in SERVERS or not self.cluster:
            return [name]
        return [name, *(f"{name}-{number}" for number in range(2, NODES + 1))]

    def _scaling_servers(self, name: str, replicas: int) -> list[list[str]]:
        nodes = self._nodes(name)
        if replicas > len(nodes):
            raise LauncherError(f"{name}: {len(nodes)} at most in this mode")
        commands = []
        if replicas:
            up = ("up", "--detach", "--no-recreate", "--wait", *nodes[:replicas])
            commands.append(self.compose(*up))
        if replicas < len(nodes):
            commands.append(self.compose("stop", *nodes[replicas:]))
        return commands

    def _scaling_slots(self, replicas: int) -> list[list[str]]:
        """Return what starts and stops simulators from the second slot on."""
        rate = RATE_CLUSTER if self.cluster else RATE_SINGLE
        there = self._slots()
        commands = [
            self.docker("rm", "--force", self._slot(slot))
            for slot in sorted(there)
            if slot > replicas
        ]
        for slot in range(2, replicas + 1):
            if slot not in there:
                name = ("--name", self._slot(slot))
                words = ("simulate", "--host", "0.0.0.0", "--slot", str(slot))
                run = ("run", "--detach", "--use-aliases", "--no-deps", *name)
                commands.append(
                    self.compose(*run, "simulator", *words, "--rate", str(rate))
                )
        return commands

    def _slot(self, slot: int) -> str:
        return f"{self.project}-simulator-slot-{slot}"

    def _slots(self) -> set[int]:
        begin = self._slot(0).removesuffix("0")
        names = self._listed("{{.Names}}", "--all")
        return {int(n.removeprefix(begin)) for n in names if n.startswith(begin)}

    def _listed(self, shown: str, *options: str) -> list[str]:
        mine = f"label=com.docker.compose.project={self.project}"
        words = ("ps", *options, "--filter", mine, "--format", shown)
        return self._run(self.docker(*words)).splitlines()

    def _run(self, command: Sequence[str]) -> str:
        environ: Mapping[str, str] = {**os.environ, **self.environ}
        try:
            done = subprocess.run(
                command,
                env=environ,
                # Compose would take what is typed ahead at the prompt.
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS_MAX,
                check=False,
            )
        except FileNotFoundError:
            raise LauncherError("no `docker` on this machine: install Docker") from None
        except subprocess.TimeoutExpired:
            raise LauncherError(f"`{' '.join(command)}` does not end") from None
        if done.returncode:
            last = "\n".join(done.stderr.strip().splitlines()[-10:])
            raise LauncherError(f"`{' '.join(command)}` failed:\n{last}")
        return done.stdout
