"""The secrets of the Compose files: `python -m deploy.services_secrets` makes them.

Each is a file under deploy/compose/secrets, which git does not see. A password that is
there stays; what follows from passwords and privileges is written anew. Containers read
them as other users, so that the folder, not each file, is closed to everybody else of
this machine. Every process has an account of its own, which may do what
deploy/privileges says.
"""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from app import settings
from app.topology import Topology
from deploy.privileges.table import Privileges, nats_permissions, privileges
from deploy.privileges.text import kafka_words

__all__ = ["FOLDER", "prepare"]

FOLDER = Path(__file__).parent / "compose" / "secrets"
OTHERS = (
    "nats_routes_password",
    "kafka_broker_password",
    "kafka_admin_password",
    "cassandra_admin_password",
    "read_token",
    "operator_token",
    "grafana_password",
)
SECRET_BYTES = 24
TLS = "/run/tls"  # where each server finds its certificate
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


def prepare(folder: Path = FOLDER) -> list[Path]:
    """Make the secrets that are missing; return their files."""
    topology = Topology(settings.load({}))
    accounts = privileges(topology)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = [*(f"{account}_password" for account in accounts), *OTHERS]
    for name in names:
        if not (folder / name).exists():
            _write(folder / name, secrets.token_hex(SECRET_BYTES))
    known = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    passwords = {account: known[f"{account}_password"] for account in accounts}
    masters = {name: known[f"kafka_{name}_password"] for name in ("broker", "admin")}
    for name, text in {
        "kafka_listeners": _listeners({**masters, **passwords}),
        "kafka_rules": "".join(f"{words}\n" for words in kafka_words(topology)),
        "nats_users": _users(accounts, passwords),
        "nats_routes": _routes(known["nats_routes_password"]),
        "cassandra_accounts": _roles(accounts, passwords),
    }.items():
        _write(folder / name, text)
    return sorted(folder.iterdir())


def _listeners(users: Mapping[str, str]) -> str:
    """Return who may come to Kafka, brokers among them, by their passwords."""
    known = " ".join(f'user_{user}="{password}"' for user, password in users.items())
    login = f'{LOGIN} username="broker" password="{users["broker"]}" {known};'
    return "".join(
        f"listener.name.{name}.plain.sasl.jaas.config={login}\n"
        for name in ("clients", "controller")
    )


def _users(accounts: Mapping[str, Privileges], passwords: Mapping[str, str]) -> str:
    users = [
        {"user": account, "password": passwords[account]}
        | {"permissions": nats_permissions(its)}
        for account, its in accounts.items()
        if its.publish or its.subscribe
    ]
    return json.dumps({"authorization": {"users": users}}, indent=2)


def _routes(password: str) -> str:
    hosts = ("nats", "nats-2", "nats-3")
    cluster = {
        "name": "smartmeter",
        "listen": "0.0.0.0:6222",
        "authorization": {"user": "route", "password": password},
        "tls": {
            "cert_file": f"{TLS}/server.crt",
            "key_file": f"{TLS}/server.key",
            "ca_file": f"{TLS}/ca.crt",
            "verify": True,
        },
        "routes": [f"nats://route:{password}@{host}:6222" for host in hosts],
    }
    return json.dumps({"cluster": cluster}, indent=2)


def _roles(accounts: Mapping[str, Privileges], passwords: Mapping[str, str]) -> str:
    """Return what makes Cassandra's roles; a second time it changes nothing."""
    statements = []
    for account, its in accounts.items():
        if its.cassandra:
            password = f"PASSWORD = '{passwords[account]}'"
            statements += [
                f"CREATE ROLE IF NOT EXISTS {account};",
                f"ALTER ROLE {account} WITH LOGIN = true AND {password};",
                *(f"GRANT {grant} TO {account};" for grant in its.cassandra),
            ]
    return "\n".join(statements) + "\n"


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # it may be written by nobody
    path.write_text(text, encoding="utf-8")
    path.chmod(0o444)


if __name__ == "__main__":
    for made in prepare():
        print(made)
