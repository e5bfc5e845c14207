"""Asking the pages of our own processes, over TLS where they have it."""

import http
import http.client
import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deploy.local.errors import LauncherError
from deploy.local.ports import HOST

__all__ = ["Pages"]

ANSWER_SECONDS_MAX = 5.0


@dataclass(frozen=True)
class Pages:
    """How the pages of a stack's processes are asked.

    authority is the file of the certificates to trust; None: pages are not encrypted.
    token shows /metrics of live workers; empty: none is asked for.
    """

    authority: Path | None = None
    token: str = ""

    def url(self, port: int) -> str:
        """Return the address of a process."""
        return f"{'https' if self.authority else 'http'}://{HOST}:{port}"

    def ask(
        self,
        port: int,
        path: str,
        seconds_max: float = ANSWER_SECONDS_MAX,
        *,
        method: str = "GET",
    ) -> tuple[int, str]:
        """Return the status of an answer, and the answer.

        Raises:
            OSError, http.client.HTTPException: It does not answer, or is not trusted.
        """
        connection = self._connection(port, seconds_max)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def require_ready(self, port: int, seconds_max: float = ANSWER_SECONDS_MAX) -> None:
        """Raise unless a process says that it is ready.

        Raises:
            LauncherError: It says why it is not.
            OSError, http.client.HTTPException: It does not answer.
        """
        status, text = self.ask(port, "/ready", seconds_max)
        if status != http.HTTPStatus.OK:
            raise LauncherError(text.strip() or f"status {status}")

    def _connection(self, port: int, seconds: float) -> http.client.HTTPConnection:
        if self.authority is None:
            return http.client.HTTPConnection(HOST, port, timeout=seconds)
        return http.client.HTTPSConnection(
            HOST, port, timeout=seconds, context=self._trust
        )

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)
