"""The web view of a live worker: HTML for people, the same as JSON, and its health.

live.py          the Faust side: what this worker knows, and the place of the site
site.py          the site: routes, headers, services that run beside it
worker.py        a worker as the views see it
selection.py     which windows to show, chosen from big states without copying them
presentation.py  rows as JSON and CSV, with units in the names
ranking.py       the transformers that stand out most
overview.py      this worker's figures, and all workers' merged
peers.py         asks the workers that have the other lanes
access.py        who may see and change: tokens, sessions, roles
streams.py       any JSON page as server-sent events
sampling.py      rates, lag and progress, once a second
backfill.py      windows that closed before this worker had the lane, from Kafka
messages.py      what goes out on NATS, while somebody looks
models.py        models and their versions, and the way back to one
alerts.py        alerts of the cluster, and their acknowledgement
outlook.py       what is foreseen, and how right it was
pages.py         HTML;  api.py, top.py, predictions.py, pipeline.py    JSON
openapi.py       the API described, by schemas.py
health.py        for supervisors and Prometheus
downloads.py     stored rows as CSV, Parquet and workbooks, from Cassandra
answers.py       what all JSON pages share
apart.py         work in a thread, where it is on many rows
files.py         scripts and styles, from memory
templates/, static/            what a browser gets; nothing of it comes from elsewhere

Views only read. A state belongs to the event loop, so it is read and copied without
an await in between; what costs more than a few milliseconds runs in a thread.
"""
