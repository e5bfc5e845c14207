# The front door, and all that continuous integration speaks. `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
AUDIT := .venv-audit
STAMP := $(VENV)/.installed
FOR ?=
RATE ?=
WORKERS ?=
NAME ?= worker
# Most of what an end-to-end test does is wait: two at a time, each process with servers of its own.
PARALLEL ?= --numprocesses 2 --dist loadfile
RUN_OPTIONS = $(if $(FOR),--for $(FOR)) $(if $(RATE),--rate $(RATE)) $(if $(WORKERS),--workers $(WORKERS)) $(if $(SOURCE),--source $(SOURCE)) $(if $(FRESH),--fresh) $(if $(CLUSTER),--cluster)
RUN_FOLDER = .run$(if $(CLUSTER),-cluster)

.PHONY: help install run ps scale doctor stop up down status check format test unit functional integration e2e secure cluster browser promtool prometheus image dashboards bench faults audit secrets clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Make the virtual environment with pinned versions

# What setuptools has to say of templates and of editable installations fills a screen.
$(STAMP): export PYTHONWARNINGS := ignore
$(STAMP): pyproject.toml constraints.txt deploy/local/pinned/charts.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group dev -e '.[local,household,export,shell]'
	$(BIN)/python -m deploy.assets
	@touch $@

run: install ## Run it all: servers, bridge, workers, simulator (FOR=120 RATE=500 WORKERS=2 SOURCE=household FRESH=1 CLUSTER=1)
	@$(BIN)/python -m deploy.local run $(RUN_OPTIONS)

ps: install ## Show the processes of `make run`, from another terminal
	@$(BIN)/smartmeter ps --folder $(RUN_FOLDER)

scale: install ## Have more or fewer live workers while it runs: WORKERS=2
	@$(BIN)/smartmeter scale --folder $(RUN_FOLDER) worker=$(or $(WORKERS),$(error say how many: make scale WORKERS=2))

doctor: install ## Say what is wrong on the road, and what to do
	@$(BIN)/smartmeter doctor

stop: install ## Stop `make run`, as Ctrl-C in its terminal does
	@$(BIN)/smartmeter stop --folder $(RUN_FOLDER)

up: install ## Start NATS, Kafka and Cassandra alone, and print their addresses
	@$(BIN)/python -m deploy.local up

down: install ## Stop what `make up` started
	@$(BIN)/python -m deploy.local down

status: install ## Show which servers run, and where
	@$(BIN)/python -m deploy.local status

check: install ## Lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: install ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: unit functional integration e2e ## Every tier of tests, with real servers

unit: install ## Tests without sockets, and the doctests (seconds)
	$(BIN)/python -m pytest tests/unit tests/contracts $(PARALLEL)
	$(BIN)/python -m pytest --doctest-modules app/domain app/wire app/settings app/predictor app/alive.py deploy/local/figures.py

functional: install ## Faust in process, memory store (seconds)
	$(BIN)/python -m pytest tests/functional $(PARALLEL)

integration: install promtool ## One real server at a time (minutes)
	$(BIN)/python -m pytest tests/integration $(PARALLEL)

e2e: install browser promtool ## The whole road, workers as processes, kills, a browser (minutes)
	$(BIN)/python -m pytest tests/e2e $(PARALLEL)

secure: install ## The whole road on secured servers, and no secret where it must not be (minutes)
	$(BIN)/python -m pytest -s tests/secure

cluster: install ## Three NATS, three Kafka, two Cassandra; one of each dies (minutes)
	$(BIN)/python -m pytest -s tests/cluster

browser: ## Install Debian's Chromium, which tests of the pages drive
	@command -v chromium >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	} || { echo 'The tests of the pages need Chromium: as root, apt-get install chromium' >&2; exit 1; }

promtool: ## Install Debian's Prometheus, whose promtool judges the rules
	@command -v promtool >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null && \
	  { test ! -d /run/systemd/system || systemctl disable --quiet --now prometheus; }; \
	} || { echo 'The tests of rules and dashboards need Prometheus: as root, apt-get install prometheus' >&2; exit 1; }

prometheus: promtool ## Run Prometheus beside `make run`: http://127.0.0.1:9090
	@mkdir -p .run/targets
	prometheus --config.file=deploy/prometheus/prometheus.yml --storage.tsdb.path=.run/prometheus \
	  --web.listen-address=127.0.0.1:9090 --log.level=warn

# The format is for Podman and Buildah, whose own one has no health check.
image: ## Build the container image, by Docker, Podman or Buildah (ENGINE=podman BUILD=--pull)
	@for engine in $(or $(ENGINE),docker podman buildah); do \
	  "$$engine" info >/dev/null 2>&1 && break; engine=; done; \
	test -n "$$engine" || { echo 'image: none answers of $(or $(ENGINE),docker podman buildah)' >&2; exit 1; }; \
	BUILDAH_FORMAT=docker "$$engine" build --target smartmeter $(BUILD) \
	  --tag "smartmeter-streams:$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" .

dashboards: install ## Write Grafana's dashboards from their Python
	$(BIN)/python -m deploy.grafana

faults: install ## Kills, pauses and restarts drawn from a seed: SEED=1 SEEDS=10 FOR=60
	$(BIN)/python -m tests.faults --seed $(or $(SEED),1) --seeds $(or $(SEEDS),1) --for $(or $(FOR),60)

bench: install $(PEERS)/.installed ## One benchmark beside its peers: NAME=worker
	SMARTMETER_TEST_PEERS=$(PEERS)/bin/python $(BIN)/python -m tests.bench.$(NAME)

# The peers have an environment of their own: their pins are not ours.
$(PEERS)/.installed: tests/bench/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/bench/peers.txt
	@touch $@

audit: install ## Ask for advisories on every pinned version: the index, SERVICE=osv, or ADVISORIES=folder
	@test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && \
	  $(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1; }
	@$(if $(ADVISORIES),$(BIN)/python -m deploy.advisories $(ADVISORIES)) \
	  $(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
	  --vulnerability-service $(if $(ADVISORIES),osv --osv-url {url},$(or $(SERVICE),pypi)) -r constraints.txt 2>&1 | grep -v 'hash\|pip-tools' | tail -40; \
	  test $${PIPESTATUS[0]} = 0 || { echo 'audit: NOT clean. Either advisories are named above, or nobody could be asked ("could not be audited", "Failed to resolve"): then nothing is known of any version' >&2; exit 1; }

secrets: install ## Search the tree, and what runs have logged, for credentials
	$(BIN)/python -m pytest -q tests/unit/test_no_secrets.py
	$(BIN)/python -m tests.credentials $(wildcard .run .run-cluster .run-secure)

clean: ## Remove the environment, caches and the data of local servers
	rm -rf $(VENV) $(PEERS) $(AUDIT) .run .run-cluster .run-secure build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
