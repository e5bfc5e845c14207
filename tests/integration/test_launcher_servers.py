"""The launcher's servers are real: each does what its clients need."""

import nats
from aiokafka.admin import AIOKafkaAdminClient
from cassandra.cluster import Cluster


def host_and_port(address):
    host, port = address.removeprefix("nats://").split(":")
    return host, int(port)


async def test_nats_stores_a_message(nats_server, namespace):
    client = await nats.connect(nats_server)
    stream = client.jetstream()
    await stream.add_stream(name=namespace, subjects=[f"{namespace}.>"])
    acknowledged = await stream.publish(f"{namespace}.one", b"1")
    assert (namespace, 1) == (acknowledged.stream, acknowledged.seq)
    await stream.delete_stream(namespace)
    await client.close()


async def test_kafka_makes_no_topic_by_itself(kafka_server, namespace):
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_server)
    await admin.start()
    await admin.describe_topics([namespace])
    assert namespace not in await admin.list_topics()
    await admin.close()


def test_cassandra_answers_cql(cassandra_server):
    host, port = host_and_port(cassandra_server)
    cluster = Cluster([host], port=port)
    row = cluster.connect().execute("SELECT release_version FROM system.local").one()
    cluster.shutdown()
    assert row.release_version.startswith("5.")


def test_settings_lead_to_the_servers(
    settings_for, namespace, nats_server, kafka_server, cassandra_server
):
    loaded = settings_for(windows={"size_seconds": 60}, log_level="debug")
    host, port = host_and_port(cassandra_server)

    assert namespace == loaded.namespace
    assert nats_server == loaded.nats.servers
    assert kafka_server == loaded.kafka.servers
    assert (host, port) == (loaded.archive.contact_points, loaded.archive.port)
    assert (60, "debug") == (loaded.windows.size_seconds, loaded.log_level)
