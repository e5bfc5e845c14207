"""One Cassandra node, from its jars."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app import settings
from deploy.local import jars, java
from deploy.local.ports import HOST, knock
from deploy.local.servers.base import Report

__all__ = ["FLAGS", "Cassandra"]

PROBE_SECONDS_MAX = 10.0
FLAGS = (
    "-Xms512m",
    "-Xmx1g",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:MaxDirectMemorySize=512m",
    "-Djdk.attach.allowAttachSelf=true",
    "-Djava.security.manager=allow",
    "-Djava.net.preferIPv4Stack=true",
    "-Dcassandra-foreground=yes",
)
# One node has nobody to wait for.
ALONE = (
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.ring_delay_ms=0",
)
# What Cassandra 5.0 reaches into on Java 17.
OPENED = (
    *(
        f"java.base/{name}"
        for name in (
            "java.io",
            "java.lang",
            "java.lang.module",
            "java.lang.ref",
            "java.lang.reflect",
            "java.math",
            "java.net",
            "java.nio",
            "java.nio.charset",
            "java.nio.file.spi",
            "java.util",
            "java.util.concurrent",
            "java.util.concurrent.atomic",
            "jdk.internal.loader",
            "jdk.internal.math",
            "jdk.internal.misc",
            "jdk.internal.module",
            "jdk.internal.ref",
            "jdk.internal.reflect",
            "jdk.internal.util.jar",
            "jdk.internal.vm",
            "sun.nio.ch",
            "sun.net.www.protocol.jar",
        )
    ),
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.management/com.sun.jmx.remote.security",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "jdk.management/com.sun.management.internal",
)

SEED_PROVIDER = "org.apache.cassandra.locator.SimpleSeedProvider"

LOGGING = """\
<configuration>
  <appender name="STDOUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} %-5level %msg \\(%logger{0}\\)%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="STDOUT"/></root>
</configuration>
"""


class Cassandra:
    """A single node with a heap of at most 1 GiB."""

    name = "cassandra"
    usual_ports: Mapping[str, int] = {"client": 9042, "storage": 7000}
    stop_seconds = 30.0
    host = HOST
    flags: Sequence[str] = (*FLAGS, *ALONE)

    def fetch(self, report: Report) -> None:
        """Fetch its jars."""
        jars.classpath("cassandra", report)

    def prepare(self, folder: Path, ports: Mapping[str, int]) -> Sequence[str | Path]:
        """Write its configuration; return its command line."""
        data, conf = folder / "data", folder / "conf"
        for path in (conf, data / "tables", data / "cdc"):
            path.mkdir(parents=True, exist_ok=True)
        yaml = conf / "cassandra.yaml"
        # JSON is a subset of YAML, and quotes paths rightly.
        configuration = self.configuration(data, ports)
        yaml.write_text(json.dumps(configuration, indent=2), encoding="utf-8")
        (conf / "logback.xml").write_text(LOGGING, encoding="utf-8")
        paths = jars.classpath("cassandra", lambda _: None)
        return [
            java.find(),
            *self.flags,
            *(f"--add-opens={name}=ALL-UNNAMED" for name in OPENED),
            *(f"--add-exports={name}=ALL-UNNAMED" for name in OPENED),
            f"-Dcassandra.config={yaml.absolute().as_uri()}",
            f"-Dcassandra.storagedir={data}",
            "-cp",
            ":".join(map(str, [conf, *paths])),
            "org.apache.cassandra.service.CassandraDaemon",
        ]

    def configuration(self, data: Path, ports: Mapping[str, int]) -> dict[str, Any]:
        """Return what the node is told."""
        seeds = {"seeds": f"{self.host}:{ports['storage']}"}
        return {
            "cluster_name": "local",
            "num_tokens": 1,
            "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
            "data_file_directories": [f"{data}/tables"],
            "commitlog_directory": f"{data}/commitlog",
            "saved_caches_directory": f"{data}/caches",
            "hints_directory": f"{data}/hints",
            "cdc_raw_directory": f"{data}/cdc",
            "commitlog_sync": "periodic",
            "commitlog_sync_period": "10s",
            "commitlog_total_space": "512MiB",
            "endpoint_snitch": "SimpleSnitch",
            "listen_address": self.host,
            "rpc_address": self.host,
            "native_transport_port": ports["client"],
            "storage_port": ports["storage"],
            "start_native_transport": True,
            "seed_provider": [{"class_name": SEED_PROVIDER, "parameters": [seeds]}],
            # A dropped keyspace of a test leaves no snapshot behind.
            "auto_snapshot": False,
            # Larger ones are still refused as everywhere; these are not worth a line.
            "batch_size_warn_threshold": "48KiB",
            # A laptop under load is slower than a data centre.
            "read_request_timeout": "10s",
            "range_request_timeout": "20s",
            "write_request_timeout": "10s",
        }

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return the address of CQL clients."""
        return {"cassandra": f"{HOST}:{ports['client']}"}

    def environ(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return the settings that lead to it."""
        return {
            settings.variable("archive", "contact_points"): HOST,
            settings.variable("archive", "port"): str(ports["client"]),
        }

    def probe(self, ports: Mapping[str, int]) -> None:
        """Ask it something in CQL."""
        self.ask(ports["client"], "SELECT release_version FROM system.local")

    def client_options(self) -> dict[str, Any]:
        """Return what else the driver is told."""
        return {}

    def ask(self, port: int, *queries: str, **options: Any) -> list[Any]:
        """Put queries to this node alone; return the rows of the last.

        Options are the driver's, instead of `client_options`.
        """
        knock(port, self.host)
        from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
        from cassandra.policies import WhiteListRoundRobinPolicy

        policy = WhiteListRoundRobinPolicy([self.host])
        cluster = Cluster(
            [self.host],
            port=port,
            execution_profiles={EXEC_PROFILE_DEFAULT: ExecutionProfile(policy)},
            connect_timeout=PROBE_SECONDS_MAX,
            control_connection_timeout=PROBE_SECONDS_MAX,
            **(options or self.client_options()),
        )
        try:
            session = cluster.connect()
            rows: list[Any] = []
            for query in queries:
                rows = list(session.execute(query, timeout=PROBE_SECONDS_MAX))
            return rows
        finally:
            cluster.shutdown()
