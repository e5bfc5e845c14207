"""A stack whose servers encrypt, and let nobody do anything without an account."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from app import settings
from app.settings import Settings
from deploy.local.errors import LauncherError
from deploy.local.pages import Pages
from deploy.local.secured import DEFAULT_ACCOUNT, Secured
from deploy.local.servers.base import Report, Server
from deploy.local.servers.secured import servers
from deploy.local.stack import Stack

__all__ = ["SecuredStack", "open_stack"]


class SecuredStack(Stack):
    """The secured servers of one folder, and the secrets beside their data.

    Accounts and privileges are those of one namespace, that of the settings.
    """

    def __init__(
        self,
        folder: Path,
        *,
        loaded: Settings | None = None,
        usual_ports: bool = True,
        report: Report = lambda _: None,
        make: Callable[[Secured], Mapping[str, Server]] = servers,
    ) -> None:
        self.secured = Secured(folder.absolute(), loaded or settings.load())
        super().__init__(
            folder,
            usual_ports=usual_ports,
            report=report,
            servers=make(self.secured),
        )

    def start(self, *names: str) -> list[str]:
        """Make what secrets are missing, then start as any stack does.

        Raises:
            LauncherError: The folder holds data of open servers, or as `Stack.start`.
        """
        new = not self.secured.is_prepared
        if new and any((self.folder / name).exists() for name in self.servers):
            raise LauncherError(
                f"{self.folder} holds data of servers without accounts: give"
                " another --folder, or begin again with `run --fresh --secure`"
            )
        self.secured.prepare()
        return super().start(*names)

    def environ(self, namespace: str, account: str = "") -> dict[str, str]:
        """Return the product's settings for a process that is this account."""
        found = super().environ(namespace)
        return found | self.secured.environ(account or DEFAULT_ACCOUNT)

    @property
    def pages(self) -> Pages:
        """How the pages of processes are asked: over TLS, and with the reader's token.

        What has not been prepared serves none.
        """
        if not self.secured.is_prepared:
            return Pages()
        return Pages(self.secured.path("ca.crt"), self.secured.read_token)

    def wipe(self) -> None:
        """Remove the data and logs of all servers, and the secrets that fit them."""
        super().wipe()
        shutil.rmtree(self.secured.folder, ignore_errors=True)


def open_stack(folder: Path, report: Report, *, secure: bool) -> Stack:
    """Return the stack of a folder: secured where asked, or where it was before."""
    before = Secured(folder.absolute(), Settings()).is_prepared
    if secure or before:
        return SecuredStack(folder, report=report)
    return Stack(folder, report=report)
