"""The three servers in their secured form: encrypted, and nothing without an account.

Accounts are made before a server counts as ready: their passwords lie in files of the
stack, and each may do what `deploy.privileges` says.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app import connections, settings
from app.topology import Topology
from deploy.local.ports import knock
from deploy.local.secured import ADMIN, Secured
from deploy.local.servers.base import Server
from deploy.local.servers.cassandra import Cassandra
from deploy.local.servers.nats import PROBE, Nats, publish_one
from deploy.local.servers.secured_kafka import SecuredKafka
from deploy.privileges.table import nats_permissions

__all__ = ["SETUP", "SecuredCassandra", "SecuredNats", "servers"]

Ports = Mapping[str, int]
SETUP = "-Dcassandra.superuser_setup_delay_ms=0"


def servers(secured: Secured) -> dict[str, Server]:
    """Return the servers of a secured stack by name."""
    made: tuple[Server, ...] = (
        SecuredNats(secured),
        SecuredKafka(secured),
        SecuredCassandra(secured),
    )
    return {server.name: server for server in made}


# NATS ------------------------------------------------------------------------------


class SecuredNats(Nats):
    """nats-server over TLS, with a user for each process."""

    def __init__(self, secured: Secured) -> None:
        self._secured = secured

    def configuration(self, store: Path, ports: Ports) -> dict[str, Any]:
        """Return what nats-server is told: certificates, users, permissions."""
        secured = self._secured
        configuration = super().configuration(store, ports)
        configuration["https"] = configuration.pop("http")
        users: list[dict[str, Any]] = [
            {"user": ADMIN, "password": secured.password(ADMIN)}
        ]
        for account, its in secured.accounts.items():
            if its.publish or its.subscribe:
                user = {"user": account, "password": secured.password(account)}
                users.append(user | {"permissions": nats_permissions(its)})
        return configuration | {
            "tls": {
                "cert_file": str(secured.path("server.crt")),
                "key_file": str(secured.path("server.key")),
            },
            "authorization": {"users": users},
        }

    def addresses(self, ports: Ports) -> dict[str, str]:
        """Return the addresses of clients and of the monitoring pages."""
        found = super().addresses(ports)
        return {name: _encrypted(address) for name, address in found.items()}

    def environ(self, ports: Ports) -> dict[str, str]:
        """Return the settings that lead to it."""
        found = super().environ(ports)
        return {name: _encrypted(value) for name, value in found.items()}

    @property
    def proof(self) -> tuple[str, int]:
        """A stream, and how many must store it, that prove that it works."""
        return PROBE, 1

    def probe(self, ports: Ports) -> None:
        """Publish one message as the launcher's own account."""
        knock(ports["client"])
        known = {
            settings.variable("nats", "servers"): Nats.addresses(self, ports)["nats"],
            settings.variable("nats", "user"): ADMIN,
            settings.variable("nats", "password"): self._secured.password(ADMIN),
            settings.variable("nats", "ca_file"): str(self._secured.path("ca.crt")),
        }
        options = connections.nats_options(settings.load(known))
        asyncio.run(publish_one(options.pop("servers"), *self.proof, **options))


def _encrypted(addresses: str) -> str:
    return addresses.replace("nats://", "tls://").replace("http://", "https://")


# Cassandra -------------------------------------------------------------------------


class SecuredCassandra(Cassandra):
    """A node over TLS, with roles and what is granted to them."""

    flags: Sequence[str] = (*Cassandra.flags, SETUP)

    def __init__(self, secured: Secured) -> None:
        self._secured = secured

    def configuration(self, data: Path, ports: Ports) -> dict[str, Any]:
        """Return what the node is told: who may come, and only over TLS."""
        stores = {
            "ssl_context_factory": {
                "class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory"
            },
            "keystore": str(self._secured.path("server.pem")),
            "truststore": str(self._secured.path("ca.crt")),
        }
        return super().configuration(data, ports) | {
            "authenticator": "PasswordAuthenticator",
            "authorizer": "CassandraAuthorizer",
            "role_manager": "CassandraRoleManager",
            "client_encryption_options": {"enabled": True, "optional": False, **stores},
            "server_encryption_options": {
                "internode_encryption": "all",
                "require_client_auth": True,
                **stores,
            },
        }

    def client_options(self) -> dict[str, Any]:
        """Return who asks, and whom it trusts."""
        return self._options(ADMIN, self._secured.password(ADMIN))

    def _options(self, role: str, password: str) -> dict[str, Any]:
        from cassandra.auth import PlainTextAuthProvider

        from app.tls import tls_context

        trusted = {
            settings.variable("archive", "ca_file"): str(self._secured.path("ca.crt"))
        }
        return {
            "auth_provider": PlainTextAuthProvider(role, password),
            "ssl_context": tls_context("archive", settings.load(trusted).archive),
        }

    def probe(self, ports: Ports) -> None:
        """Make the roles and what is granted to them."""
        port = ports["client"]
        options = self.whoever_may(port)
        if options:
            self._begin(port)
        self.ask(port, *self._statements())

    def whoever_may(self, port: int) -> dict[str, Any]:
        """Return the options of the superuser that every new node has; else none.

        None: ours is known already, and `ask` is it by itself.
        """
        from cassandra import AuthenticationFailed
        from cassandra.cluster import NoHostAvailable

        try:
            self.ask(port, "SELECT release_version FROM system.local")
        except NoHostAvailable as error:
            causes = error.errors.values() if isinstance(error.errors, dict) else ()
            if not any(isinstance(cause, AuthenticationFailed) for cause in causes):
                raise
            return self._options("cassandra", "cassandra")
        return {}

    @property
    def replication(self) -> str:
        """How the keyspace is kept, as CQL."""
        return self._secured.settings.archive.replication

    def _begin(self, port: int) -> None:
        """Make our own superuser, by the one that every new node has."""
        password = self._secured.password(ADMIN)
        self.ask(
            port,
            f"CREATE ROLE IF NOT EXISTS {ADMIN} WITH SUPERUSER = true AND LOGIN = true"
            f" AND PASSWORD = '{password}'",
            **self._options("cassandra", "cassandra"),
        )

    def _statements(self) -> list[str]:
        """Return what makes every role; a second time it changes nothing."""
        secured = self._secured
        loaded = secured.settings
        keyspace = f"KEYSPACE IF NOT EXISTS {Topology(loaded).keyspace}"
        statements = [
            "ALTER ROLE cassandra WITH SUPERUSER = false AND LOGIN = false",
            f"CREATE {keyspace} WITH replication = {self.replication}",
        ]
        for account, its in secured.accounts.items():
            if its.cassandra:
                statements.append(
                    f"CREATE ROLE IF NOT EXISTS {account} WITH LOGIN = true"
                    f" AND PASSWORD = '{secured.password(account)}'"
                )
                statements += [f"GRANT {grant} TO {account}" for grant in its.cassandra]
        return statements
