"""`state.json`: what was started in a folder, by which number, on which ports."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from deploy.local.errors import LauncherError
from deploy.local.process import Process

__all__ = ["Entry", "Ledger"]

Work = Literal["servers", "run"]
OTHERS: dict[Work, str] = {
    "servers": "another launcher starts or stops servers",
    "run": "a run is under way",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One started process; its ports stay known after it has ended."""

    pid: int
    started: float  # epoch seconds
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def process(self) -> Process:
        """The process it stands for."""
        return Process(pid=self.pid, started=self.started)


class Ledger:
    """The entries of one folder, on disk."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.json"

    def read(self) -> dict[str, Entry]:
        """Return the entries by name."""
        try:
            written = json.loads(self.path.read_text(encoding="utf-8"))
            return {name: Entry(**values) for name, values in written.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            raise LauncherError(
                f"{self.path} cannot be read: stop what it started by hand, then"
                " remove it"
            ) from error

    def write(self, name: str, entry: Entry) -> None:
        """Note one process, before anything else is done with it."""
        entries = self.read() | {name: entry}
        text = json.dumps({key: asdict(value) for key, value in entries.items()})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(self.path)

    @contextmanager
    def held(self, what: Work = "servers") -> Iterator[None]:
        """Keep other launchers away from one kind of work in the folder meanwhile."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with (self.path.parent / what).with_suffix(".lock").open("w") as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LauncherError(
                    f"{OTHERS[what]} in {self.path.parent}: wait for it or end it,"
                    " or give another --folder"
                ) from None
            yield
