"""The secrets of the Compose files: `python -m deploy.services_secrets` makes them.

Each is a file under deploy/compose/secrets, which git does not see; one that is there
stays. Containers read them as other users, so that the folder, not each file, is closed
to everybody else of this machine.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path

__all__ = ["FOLDER", "prepare"]

FOLDER = Path(__file__).parent / "compose" / "secrets"
PLAIN = (
    "nats_password",
    "nats_routes_password",
    "kafka_password",
    "kafka_broker_password",
    "cassandra_password",
    "cassandra_admin_password",
    "read_token",
    "operator_token",
    "grafana_password",
)
SECRET_BYTES = 24
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


def prepare(folder: Path = FOLDER) -> list[Path]:
    """Make the secrets that are missing; return their files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in PLAIN:
        _write(folder / name, secrets.token_hex(SECRET_BYTES))
    known = {name: (folder / name).read_text(encoding="utf-8") for name in PLAIN}
    for name, text in _derived(known).items():
        _write(folder / name, text)
    return sorted(folder.iterdir())


def _derived(known: Mapping[str, str]) -> dict[str, str]:
    """Return what the servers read, made of the passwords."""
    broker, user = known["kafka_broker_password"], known["kafka_password"]
    login = (
        f'{LOGIN} username="broker" password="{broker}"'
        f' user_broker="{broker}" user_smartmeter="{user}";'
    )
    listeners = "".join(
        f"listener.name.{name}.plain.sasl.jaas.config={login}\n"
        for name in ("clients", "controller")
    )
    route = known["nats_routes_password"]
    routes = ", ".join(
        f'"nats://route:{route}@{host}:6222"' for host in ("nats", "nats-2", "nats-3")
    )
    return {
        "kafka_listeners": listeners,
        "nats_users": (
            "authorization {\n"
            f'  user: smartmeter\n  password: "{known["nats_password"]}"\n}}\n'
        ),
        "nats_routes": (
            "cluster {\n  name: smartmeter\n  listen: 0.0.0.0:6222\n"
            f'  authorization {{ user: route, password: "{route}" }}\n'
            f"  routes: [{routes}]\n}}\n"
        ),
    }


def _write(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        path.chmod(0o444)


if __name__ == "__main__":
    for made in prepare():
        print(made)
