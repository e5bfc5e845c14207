# syntax=docker/dockerfile:1
# Two images: `smartmeter`, which is every process of this project, and `nats`, which is
# nats-server without root. Built by deploy/compose, or:
#   docker build --target smartmeter --tag smartmeter-streams:0.1.0 .

FROM python:3.11.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY constraints.txt ./
# The charts of the web view come as a jar, whose SHA-256 is pinned (deploy/assets.py).
RUN python -m venv /opt/tools \
 && /opt/tools/bin/pip install --constraint constraints.txt jgo tenacity
RUN python -m venv /opt/smartmeter
COPY pyproject.toml README.md LICENSE ./
COPY deploy/assets.py deploy/
COPY deploy/local/__init__.py deploy/local/errors.py deploy/local/jars.py deploy/local/
COPY deploy/local/pinned/charts.txt deploy/local/pinned/
COPY app app
COPY agents agents
COPY bridge bridge
COPY tables tables
RUN /opt/tools/bin/python -m deploy.assets \
 && /opt/smartmeter/bin/pip install --constraint constraints.txt '.[export]'

FROM nats:2.15.1-alpine AS nats
RUN adduser -D -H -u 10001 smartmeter \
 && install -d -o smartmeter /data
USER 10001:10001

FROM python:3.11.13-slim-bookworm AS smartmeter
RUN groupadd --gid 10001 smartmeter \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin smartmeter
COPY --from=build /opt/smartmeter /opt/smartmeter
# New volumes of certificates have the owner of these folders (deploy/compose/secrets.yaml).
RUN install -d -o 10001 -g 10001 /certificates /certificates/nats /certificates/kafka \
      /certificates/cassandra /certificates/web
# Nothing is written but to /tmp, so that the root file system can be read-only.
# LIVE_PORT is that of the process: bridge 6090, worker 6066, archive 6080, exporter 6085,
# simulator 6095.
ENV PATH=/opt/smartmeter/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    LIVE_PORT=6066
USER 10001:10001
WORKDIR /tmp
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import os, ssl, urllib.request as u; e = os.environ; ca = e.get('SMARTMETER_WEB__CA_FILE'); u.urlopen(f\"http{'s' * bool(ca)}://127.0.0.1:{e['LIVE_PORT']}/live\", timeout=4, context=ssl.create_default_context(cafile=ca) if ca else None)"]
ENTRYPOINT ["smartmeter"]
CMD ["--help"]
