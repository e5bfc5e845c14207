"""The exporter: what NATS, Kafka and Cassandra know of themselves, for Prometheus.

    source.py     asks again and again, with a bound; what is silent leaves no series
    nats.py       /varz and /jsz of each server's monitoring port
    kafka.py      log ends, replicas and the lag of our groups
    cassandra.py  virtual tables of each node, over CQL: no JMX
    service.py    all of them as one process

It stands beside the stages and may import what they may, and no Faust.
"""
