"""What tests of secured servers need: other servers, doors that only speak TLS."""

import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from app.certificates import Wanted, issue
from deploy.local import ports
from deploy.local.servers.nats import Nats
from deploy.local.stack import Stack

__all__ = ["a_tls_door", "expired", "nats_with"]

HOSTS = ("localhost", "127.0.0.1")


class Configured(Nats):
    """A nats-server with more in its configuration."""

    def __init__(self, more):
        self._more = more

    def configuration(self, store, ports):
        configuration = super().configuration(store, ports)
        del configuration["jetstream"]
        return configuration | self._more

    def probe(self, ports):
        socket.create_connection((HOSTS[1], ports["client"]), timeout=1).close()


@contextmanager
def nats_with(folder, **more):
    """Run a nats-server that is told more; give its address."""
    servers = {"nats": Configured(more)}
    stack = Stack(folder, usual_ports=False, servers=servers)
    with stack.running():
        yield stack.addresses["nats"]


def expired(folder):
    """Issue certificates that were valid until yesterday; return the folder."""
    past = datetime.now(UTC) - timedelta(days=3)
    issue(Wanted(folder=folder, hosts=HOSTS, life=timedelta(days=2)), now=past)
    return folder


@contextmanager
def a_tls_door(certificate):
    """Listen with a certificate, shake hands, and say no more; give the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    port = next(ports.free())
    with socket.create_server((HOSTS[1], port)) as server:
        closing = threading.Event()

        def serve():
            while not closing.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(client, server_side=True).close()
                except OSError:
                    client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield port
        closing.set()
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
