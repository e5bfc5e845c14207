"""The secured form of a stack: its certificates, accounts and passwords, in one folder.

Everything is made when the folder is first used and kept with its data: the servers
remember the passwords too. What holds a secret can be read by its owner alone, and
processes are told of files, never of secrets.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from app import settings
from app.certificates import Wanted, ensure
from app.settings import Settings
from app.topology import Topology
from deploy.local.private import write_private
from deploy.privileges.table import Privileges, inbox_prefix, privileges

__all__ = ["ADMIN", "BROKER", "DEFAULT_ACCOUNT", "Secured"]

FOLDER = "secrets"
PAGES = "pages"
ADMIN = "admin"  # the launcher itself: makes accounts, proves that a server is ready
BROKER = "broker"  # Kafka to itself
DEFAULT_ACCOUNT = "operator"
TOKENS = {"read_token": "reader.token", "operator_token": "operator.token"}
SECRET_BYTES = 24
CERTIFICATES_LIFE = timedelta(days=90)
HOSTS = ("localhost", "127.0.0.1", "127.0.0.2", "127.0.0.3")  # of several nodes too
SCRAM = "SCRAM-SHA-512"


@dataclass(frozen=True)
class Secured:
    """The secrets of one stack; `prepare` makes those that are not there yet."""

    stack: Path
    settings: Settings

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.stack / FOLDER

    @cached_property
    def accounts(self) -> dict[str, Privileges]:
        """What each account may do."""
        return privileges(Topology(self.settings))

    @property
    def is_prepared(self) -> bool:
        """Whether this stack's data belong to its secured form."""
        return (self.folder / "ca.crt").exists()

    def prepare(self) -> None:
        """Make what is missing; certificates also where few of their days are left."""
        self.folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        names = [*(f"{name}.password" for name in (ADMIN, BROKER, *self.accounts))]
        for name in (*names, *TOKENS.values()):
            if not self.path(name).exists():
                write_private(self.path(name), secrets.token_urlsafe(SECRET_BYTES))
        # What our pages show is another one: to Kafka's controller, whoever shows the
        # broker's is the broker.
        servers = {PAGES: HOSTS}
        life = CERTIFICATES_LIFE
        ensure(Wanted(folder=self.folder, hosts=HOSTS, servers=servers, life=life))

    def path(self, name: str) -> Path:
        """Return where something lies."""
        return self.folder / name

    def password(self, account: str) -> str:
        """Return an account's password."""
        return self.path(f"{account}.password").read_text(encoding="utf-8")

    @property
    def read_token(self) -> str:
        """The token with which the launcher reads /metrics of workers."""
        return self.path(TOKENS["read_token"]).read_text(encoding="utf-8")

    def environ(self, account: str) -> dict[str, str]:
        """Return the settings by which a process is this account, and no other."""
        its = self.accounts[account]
        password = str(self.path(f"{account}.password"))
        authority = str(self.path("ca.crt"))
        # The exporter has no account of NATS, and asks its monitoring port over TLS.
        found: dict[str, str] = {
            settings.variable("nats", "ca_file"): authority,
            settings.variable("web", "ca_file"): authority,
            settings.variable("web", "certificate_file"): str(
                self.path(PAGES) / "server.pem"
            ),
        }
        if its.publish or its.subscribe:
            found |= {
                settings.variable("nats", "user"): account,
                settings.variable("nats", "password_file"): password,
                settings.variable("nats", "inbox_prefix"): inbox_prefix(account),
            }
        if its.kafka:
            found |= {
                settings.variable("kafka", "sasl_mechanism"): SCRAM,
                settings.variable("kafka", "user"): account,
                settings.variable("kafka", "password_file"): password,
                settings.variable("kafka", "ca_file"): authority,
            }
        if its.cassandra:
            found |= {
                settings.variable("archive", "username"): account,
                settings.variable("archive", "password_file"): password,
                settings.variable("archive", "ca_file"): authority,
            }
        if account == "worker":
            for name, file in TOKENS.items():
                variable = settings.variable("worker", f"{name}_file")
                found[variable] = str(self.path(file))
        return found
