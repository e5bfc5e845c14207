"""Where rows go to stay: the `Sink`, and the only importer of the Cassandra driver.

base.py       what a sink promises;  memory.py  one for tests
tables.py     the tables as typed data;  rows.py  events as rows of tables
packing.py    rows as the bytes of CQL batches, by NumPy, without the driver
cassandra.py  the sink;  session.py  connecting;  schema.py, schema.cql  the tables
"""
