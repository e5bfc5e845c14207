"""Ports of the servers: the usual ones where they are free, others where not."""

import random
import socket
from collections.abc import Iterator

from deploy.local.errors import LauncherError

__all__ = ["HOST", "free", "is_free", "knock"]

HOST = "127.0.0.1"
# Below the range from which outgoing connections take theirs: a client that tries
# again and again to reach a stopped server must never be given that server's port.
CHOICE = range(20_000, 32_000)
TRIES_MAX = 200
KNOCK_SECONDS_MAX = 1.0


def is_free(port: int) -> bool:
    """Say whether a server could listen on a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def knock(port: int, host: str = HOST) -> None:
    """Raise unless somebody listens: most clients are slow or loud to find that out."""
    socket.create_connection((host, port), timeout=KNOCK_SECONDS_MAX).close()


def free() -> Iterator[int]:
    """Yield different ports that are free now.

    Raises:
        LauncherError: Hardly any port is free.
    """
    chooser = random.SystemRandom()
    given: set[int] = set()
    for _ in range(TRIES_MAX):
        port = chooser.choice(CHOICE)
        if port not in given and is_free(port):
            given.add(port)
            yield port
    raise LauncherError("no free port found: stop some of the servers on this machine")
