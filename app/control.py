"""The way to whoever runs the processes of a folder (`make run`), from elsewhere.

`control.sock` in the folder is a Unix socket that its owner alone may use. One line of
JSON asks, one line answers: {"do": "scale", …}, and {"done": …} or {"failed": "…"}.
The other end is deploy/local/control.py.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.errors import SmartMeterError, system_words

__all__ = ["NAME", "NoRun", "NotDone", "address", "ask"]

NAME = "control.sock"
PATH_BYTES_MAX = 100  # what a system takes for a socket's path, nearly
ANSWER_BYTES_MAX = 1 << 20


class NotDone(SmartMeterError):
    """What was asked for cannot be done, or not in time; the message says why."""


class NoRun(NotDone):
    """Nobody runs anything in the folder."""


def ask(folder: Path, do: str, *, seconds_max: float, **more: Any) -> Any:
    """Ask whoever runs the processes of a folder; return what was done.

    Raises:
        NoRun: Nobody is there.
        NotDone: It could not be done, or not in time.
    """
    try:
        with socket.socket(socket.AF_UNIX) as client, address(folder) as path:
            client.settimeout(seconds_max)
            client.connect(path)
            client.sendall(json.dumps({"do": do, **more}).encode() + b"\n")
            with client.makefile("rb") as answers:
                line = answers.readline(ANSWER_BYTES_MAX)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise NoRun(
            f"nothing runs in {folder}: start it (`make run`), wait until it shows its"
            " web page, or give --folder"
        ) from None
    except TimeoutError:
        raise NotDone(
            f"the run in {folder} does not answer within {seconds_max:.0f} s: see its"
            " terminal"
        ) from None
    except OSError as error:
        raise NotDone(f"{folder / NAME}: {system_words(error)}") from None
    if not line:
        raise NotDone(f"the run in {folder} has ended instead of answering")
    answer = json.loads(line)
    if "failed" in answer:
        raise NotDone(answer["failed"])
    return answer["done"]


@contextmanager
def address(folder: Path) -> Iterator[str]:
    """Give the socket's path, or another one to it where that is too long."""
    path = str(folder.absolute() / NAME)
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield path
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{opened}/{NAME}"
    finally:
        os.close(opened)
