# Two images: `smartmeter`, which is every process of this project, and `nats`, which is
# nats-server without root. Built by deploy/compose, or the first alone by `make image`.

FROM python:3.11.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY constraints.txt ./
# The charts of the web view come as a jar, whose SHA-256 is pinned (deploy/assets.py).
RUN python -m venv /opt/tools \
 && /opt/tools/bin/pip install --constraint constraints.txt jgo tenacity
# What is needed makes a layer of its own, which changes with the pins and not with the
# code. It has no pip, for nothing is installed where it runs, and no tests of others.
COPY pyproject.toml ./
RUN python -m venv --without-pip /opt/smartmeter \
 && python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(*p['dependencies'], *p['optional-dependencies']['export'], sep='\n')" >needed.txt \
 && /opt/tools/bin/pip --python /opt/smartmeter/bin/python install --constraint constraints.txt --requirement needed.txt \
 && find /opt/smartmeter -type d -name tests -prune -exec rm -r {} +
COPY README.md LICENSE ./
COPY deploy/assets.py deploy/
COPY deploy/local/__init__.py deploy/local/errors.py deploy/local/jars.py deploy/local/
COPY deploy/local/pinned/charts.txt deploy/local/pinned/
COPY app app
COPY agents agents
COPY bridge bridge
COPY tables tables
RUN /opt/tools/bin/python -m deploy.assets \
 && /opt/tools/bin/pip --python /opt/smartmeter/bin/python install --no-deps --prefix /opt/application .

FROM nats:2.15.1-alpine AS nats
RUN adduser -D -H -u 10001 smartmeter \
 && install -d -o smartmeter /data
USER 10001:10001

FROM python:3.11.13-slim-bookworm AS smartmeter
RUN groupadd --gid 10001 smartmeter \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin smartmeter
COPY --from=build /opt/smartmeter /opt/smartmeter
COPY --from=build /opt/application /opt/smartmeter
# New volumes of certificates have the owner of these folders (deploy/compose/secrets.yaml).
RUN install -d -o 10001 -g 10001 /certificates /certificates/nats /certificates/kafka \
      /certificates/cassandra /certificates/web
# Nothing is written but to /tmp, so that the root file system can be read-only.
ENV PATH=/opt/smartmeter/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
USER 10001:10001
WORKDIR /tmp
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-Im", "app.alive"]
ENTRYPOINT ["smartmeter"]
CMD ["--help"]
