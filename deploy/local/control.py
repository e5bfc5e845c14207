"""The launcher's end of app/control.py: what another terminal can ask of it."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from app import control
from app.errors import system_words
from deploy.local.errors import LauncherError

__all__ = ["Actions", "serve"]

LINE_BYTES_MAX = 16_384
CLIENTS_MAX = 8
ASK_SECONDS_MAX = 5.0

Actions = Mapping[str, Callable[..., Any]]
"""What can be asked for by name; keywords are the rest of the request."""


@contextmanager
def serve(folder: Path, actions: Actions) -> Iterator[None]:
    """Answer requests while the block runs; the folder must be ours (its lock)."""
    path = folder / control.NAME
    path.unlink(missing_ok=True)  # of a launcher that was killed
    with control.address(folder) as address:
        server = _Server(address, _Client, bind_and_activate=False)
        server.actions = actions
        server.server_bind()
    path.chmod(0o600)  # before anybody can connect
    server.server_activate()
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        path.unlink(missing_ok=True)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False  # a start under way ends by itself
    request_queue_size = CLIENTS_MAX
    actions: Actions
    places: ClassVar[threading.BoundedSemaphore] = threading.BoundedSemaphore(
        CLIENTS_MAX
    )

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()


class _Client(socketserver.StreamRequestHandler):
    timeout = ASK_SECONDS_MAX
    server: _Server

    def handle(self) -> None:
        """Read one request, do it, and answer."""
        try:
            request = json.loads(self.rfile.readline(LINE_BYTES_MAX))
            action = self.server.actions[request.pop("do")]
        except (OSError, ValueError, LookupError, AttributeError, TypeError):
            answer = {"failed": "not understood: is this another version's command?"}
        else:
            answer = self._do(action, request)
        # Who asked may have gone: nothing is left to be told then.
        try:
            self.wfile.write(json.dumps(answer).encode() + b"\n")
        except OSError:
            return

    @staticmethod
    def _do(action: Callable[..., Any], request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {"done": action(**request)}
        except (LauncherError, ValueError, TypeError) as error:
            return {"failed": str(error)}
        except OSError as error:
            return {"failed": system_words(error)}
