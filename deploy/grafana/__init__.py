"""Grafana's dashboards, as Python that writes their JSON (`make dashboards`).

    promql.py    selectors that every query needs
    panels.py    one way to draw each kind of figure
    board.py     what all dashboards share: variables, annotations, links
    voltage.py predictions.py pipeline.py nats.py cassandra.py   one dashboard each
    workers.py   the part of the pipeline's that is about processes
    __main__.py  writes dashboards/*.json

The look is the SDK's; the words and the queries are here. A test runs every query
against a real Prometheus beside the running pipeline, and expects data.
"""
