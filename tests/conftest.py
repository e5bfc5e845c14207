"""Fixtures of all tiers. A server that cannot be started fails the test: no skip.

A test asks for the servers that it needs (`nats_server`, `kafka_server`,
`cassandra_server`: their addresses), and reaches them through `settings_for` or, for
processes, `environ_for`, which carry them and a namespace that no other test has.
"""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest

from app import settings
from deploy.local.stack import SERVERS, Stack
from tests.servers import Servers

# A busy machine is no defect: no example has a time limit, and a failure is printed
# with what reproduces it.
hypothesis.settings.register_profile("suite", deadline=None, print_blob=True)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session")
def servers(tmp_path_factory) -> Iterator[Servers]:
    """Give access to the servers of the session; none is started yet."""
    started = Servers(tmp_path_factory.mktemp("servers"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def nats_server(servers) -> str:
    """Return the address of a real NATS, `nats://host:port`."""
    return servers.need("nats")


@pytest.fixture(scope="session")
def kafka_server(servers) -> str:
    """Return the address of a real Kafka, `host:port`."""
    return servers.need("kafka")


@pytest.fixture(scope="session")
def cassandra_server(servers) -> str:
    """Return the address of a real Cassandra, `host:port`."""
    return servers.need("cassandra")


@pytest.fixture
def private_stack(tmp_path) -> Iterator[Stack]:
    """Give a launcher of the test's own, for servers that it kills or freezes.

    >>> private_stack.start("kafka"); private_stack.kill("kafka")  # doctest: +SKIP
    """
    stack = Stack(tmp_path / "stack", usual_ports=False)
    yield stack
    stack.stop(*SERVERS)
    stack.close()
    stack.wipe()


@pytest.fixture
def namespace() -> str:
    """Return a namespace of the test's own: subjects, topics, groups and keyspace."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture
def environ_for(servers, namespace) -> Callable[..., dict[str, str]]:
    """Return a maker of environments for processes under test.

    >>> environ_for(windows={"size_seconds": 60})  # doctest: +SKIP
    """

    def make(**values: Any) -> dict[str, str]:
        environ = servers.environ(namespace)
        for section, value in values.items():
            if not isinstance(value, dict):
                environ[settings.variable(section)] = str(value)
                continue
            for name, inner in value.items():
                environ[settings.variable(section, name)] = str(inner)
        return environ

    return make


@pytest.fixture
def settings_for(environ_for) -> Callable[..., settings.Settings]:
    """Return a maker of settings for the servers asked for and the test's namespace.

    >>> settings_for(bridge={"frame_rows_max": 10})  # doctest: +SKIP
    """

    def make(**values: Any) -> settings.Settings:
        return settings.load(environ_for(**values))

    return make


@pytest.fixture
async def viewer():
    """Give a browser's page, in which nothing may have gone wrong in the end."""
    from tests.browser import a_viewer  # loads a browser's driver: for whoever asks

    async with a_viewer() as viewer:
        yield viewer
        assert [] == viewer.faults
