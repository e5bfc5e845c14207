"""Kafka over TLS, with SCRAM users and access control lists."""

import asyncio
import enum
from collections.abc import Mapping, Sequence
from typing import Any

from app import connections, settings
from app.settings import Settings
from app.topology import Topology
from deploy.local.errors import LauncherError
from deploy.local.ports import knock
from deploy.local.secured import ADMIN, BROKER, HOSTS, Secured
from deploy.local.servers.kafka import Kafka, produce_and_fetch
from deploy.privileges.table import Rule, kafka_rules

__all__ = ["SecuredKafka", "allow"]

MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
GRANTING_SECONDS_MAX = 30.0

Ports = Mapping[str, int]


class SecuredKafka(Kafka):
    """A broker over TLS with SCRAM users and access control lists."""

    def __init__(self, secured: Secured) -> None:
        self._secured = secured

    def properties(self, ports: Ports) -> dict[str, str]:
        """Return what the broker is told: whom it trusts, and that nobody else may."""
        secured = self._secured
        properties = super().properties(ports)
        for name in ("listeners", "advertised.listeners", "inter.broker.listener.name"):
            properties[name] = properties[name].replace("PLAINTEXT", "SASL_SSL")
        login = (
            "org.apache.kafka.common.security.scram.ScramLoginModule required"
            f' username="{BROKER}" password="{secured.password(BROKER)}";'
        )
        for mechanism in MECHANISMS:
            name = f"listener.name.sasl_ssl.{mechanism.lower()}.sasl.jaas.config"
            properties[name] = login
        return properties | {
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
            "sasl.enabled.mechanisms": ",".join(MECHANISMS),
            "sasl.mechanism.inter.broker.protocol": MECHANISMS[-1],
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(secured.path("server.pem")),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(secured.path("ca.crt")),
            # To the controller, the broker is whom its certificate says.
            "listener.name.controller.ssl.client.auth": "required",
            "authorizer.class.name": (
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
            ),
            "super.users": f"User:CN={HOSTS[0]};User:{BROKER};User:{ADMIN}",
        }

    def format_options(self) -> Sequence[str]:
        """Return the users that a new store knows; without any, none could be added."""
        options = []
        for account in (ADMIN, BROKER, *self._accounts()):
            for mechanism in MECHANISMS:
                password = self._secured.password(account)
                options.append("--add-scram")
                options.append(f"{mechanism}=[name={account},password={password}]")
        return options

    def _accounts(self) -> list[str]:
        return [name for name, its in self._secured.accounts.items() if its.kafka]

    def probe(self, ports: Ports) -> None:
        """Give the accounts their rules, then store one record and read it back."""
        knock(ports["client"])
        known = {
            settings.variable("kafka", "servers"): Kafka.addresses(self, ports)[
                "kafka"
            ],
            settings.variable("kafka", "sasl_mechanism"): MECHANISMS[-1],
            settings.variable("kafka", "user"): ADMIN,
            settings.variable("kafka", "password"): self._secured.password(ADMIN),
            settings.variable("kafka", "ca_file"): str(self._secured.path("ca.crt")),
        }
        loaded = settings.load(known)
        asyncio.run(allow(loaded, Topology(self._secured.settings)))
        options = connections.kafka_options(loaded)
        options.pop("bootstrap_servers")
        address = Kafka.addresses(self, ports)["kafka"]
        asyncio.run(produce_and_fetch(address, self.replicas, **options))

    @property
    def replicas(self) -> int:
        """On how many nodes a record must be."""
        return 1


class Resource(enum.IntEnum):
    """Kafka's numbers of what a rule is about."""

    topic = 2
    group = 3
    transactional_id = 5


class Pattern(enum.IntEnum):
    """Kafka's numbers of how a rule names it."""

    literal = 3
    prefixed = 4


class Operation(enum.IntEnum):
    """Kafka's numbers of what is allowed."""

    Read = 3
    Write = 4
    Create = 5
    Delete = 6
    Describe = 8
    DescribeConfigs = 10
    AlterConfigs = 11


ALLOW = 3
ANY_HOST = "*"


def _entries(account: str, rule: Rule) -> list[tuple[Any, ...]]:
    pattern = Pattern.prefixed if rule.prefixed else Pattern.literal
    return [
        (
            Resource[rule.resource.replace("-", "_")],
            rule.name,
            pattern,
            f"User:{account}",
            ANY_HOST,
            Operation[operation],
            ALLOW,
        )
        for operation in rule.operations
    ]


async def allow(loaded: Settings, topology: Topology) -> None:
    """Create the accounts' rules; those that are there already stay as they are."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.protocol.admin import CreateAclsRequest

    entries = [
        entry
        for account, rule in kafka_rules(topology)
        for entry in _entries(account, rule)
    ]

    class CreateAll(CreateAclsRequest):  # type: ignore[misc] # aiokafka is untyped
        """All rules at once; aiokafka's own request holds a single one."""

        def build(self, request_struct_class: Any) -> Any:
            return request_struct_class(entries)

    await connections.knock_at_kafka(loaded)
    admin: Any = AIOKafkaAdminClient(**connections.kafka_options(loaded))
    try:
        await admin.start()
        async with asyncio.timeout(GRANTING_SECONDS_MAX):
            answer = await admin._send_to_controller(CreateAll(*entries[0]))  # noqa: SLF001 - aiokafka has the request, and no method for it
    finally:
        await admin.close()
    for entry, (code, message) in zip(entries, answer.creation_responses, strict=True):
        if code:
            raise LauncherError(f"kafka takes no rule {entry}: {message}")
