# Everything a developer does here. Needs Python 3.11 or later with venv; nothing else.
# Java and Maven are used when they are there: then the tests run against a real Apache Kafka.
# So is cargo: then the worker reads plain records with compiled code.

PYTHON ?= python3
ARGS ?=

VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
REQUIREMENTS := deploy/requirements
DEV := $(VENV)/.installed-dev
TEST := $(VENV)/.installed-test
BENCH_VENV := .venv-bench
BENCH := $(BENCH_VENV)/.installed-bench
FUZZ_VENV := .venv-fuzz
FUZZ := $(FUZZ_VENV)/.installed-fuzz
DOCS_VENV := .venv-docs
DOCS := $(DOCS_VENV)/.installed-docs
SOURCES := worker schemas tests deploy
# PLAZO_TEST_KAFKA=embedded does without, where Maven reaches nothing.
HAVE_KAFKA := $(if $(filter embedded,$(PLAZO_TEST_KAFKA)),,$(and $(shell command -v java),$(shell command -v mvn)))

CRATE := worker/ingest/plain/native
NATIVE := worker/ingest/plain/native.abi3.so
LIBRARY := $(CRATE)/target/release/libnative.$(if $(filter Darwin,$(shell uname -s)),dylib,so)
IF_CARGO := $(if $(shell command -v cargo),$(NATIVE),without-native)
# Not every toolchain has these subcommands.
CARGO_LINT = if cargo $(1) --version > /dev/null 2>&1; then cd $(CRATE) && cargo $(1) $(2); \
	else echo "left out: cargo $(1) is not installed"; fi

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run native without-native test simulate simulate-mutants specification chaos surroundings fuzz bench endurance kafka registry image image-test helm manifests cluster release lint audit format generate docs sbom lock clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(TEST) $(IF_CARGO) ## Install all that developing and testing needs, in .venv

run: $(DEV) ## Run the worker with an embedded Postgres, broker and marketplace (ARGS=--help)
	$(VENV)/bin/plazo dev $(ARGS)

native: $(NATIVE) ## Build the compiled reader of plain records (needs cargo, Rust 1.63 or later)

test: $(TEST) $(IF_CARGO) $(if $(HAVE_KAFKA),kafka registry) ## Run all tests, or some (ARGS=tests/unit)
	$(VENV)/bin/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

simulate: $(TEST) ## Run the worker in simulated time (SEEDS=2000 FROM=0 LEDGER=1, or SEED=123 with its trace)
	$(VENV)/bin/python -m tests.simulation \
		$(if $(SEED),--seed $(SEED),$(or $(SEEDS),2000) --first $(or $(FROM),0) $(if $(LEDGER),--ledger))

simulate-mutants: $(TEST) ## Plant faults in the worker: the simulation must catch each (ARGS=--short, or names)
	$(VENV)/bin/python -m tests.simulation.mutants $(ARGS)

specification: $(TEST) ## Walk the specification of fence, proof and relay at random (needs Node 18 with npm)
	$(VENV)/bin/python -m tests.specification.run

chaos: $(TEST) kafka ## Break real parts in every way we know, more than an hour on two cores (ARGS="-k commit")
	$(VENV)/bin/python -m pytest -rP --show-capture=stdout tests/chaos $(ARGS)

# -rs: which programs are not here.
surroundings: $(TEST) $(if $(HAVE_KAFKA),kafka) ## Run beside Prometheus, Alertmanager, an OpenTelemetry Collector, kcat and Kafka's tools (needs Debian's packages and Go)
	$(VENV)/bin/python -m pytest -rs tests/surroundings $(ARGS)

fuzz: $(FUZZ) ## Fuzz the decoder, guided by coverage, for five minutes (ARGS="-max_total_time=3600 DIRECTORY")
	$(FUZZ_VENV)/bin/python -m tests.fuzz $(ARGS)

bench: $(if $(filter --short,$(ARGS)),$(TEST),$(BENCH)) $(IF_CARGO) kafka ## Measure beside limits and peers, forty minutes (ARGS=--short, "--skip growth", --help)
	$(if $(filter --short,$(ARGS)),$(VENV),$(BENCH_VENV))/bin/python -m tests.benchmarks $(ARGS)

endurance: $(TEST) $(IF_CARGO) kafka ## Run half an hour at a steady rate and look for leaks (ARGS="--minutes 5")
	$(VENV)/bin/python -m tests.benchmarks.endurance $(ARGS)

kafka: $(TEST) ## Fetch Apache Kafka for the tests (needs Java 17 and Maven)
	@$(VENV)/bin/python -m tests.support.apache_kafka

registry: $(TEST) ## Fetch Apicurio Registry for the tests (needs Java 17 and Maven)
	@$(VENV)/bin/python -m tests.support.apicurio

helm: $(TEST) ## Build helm, and store what the chart makes for the tests (needs Go 1.25)
	@$(VENV)/bin/python -m tests.support.helm

manifests: $(TEST) ## Show manifests and chart to a real API server (needs Go 1.26 and Debian's etcd-server)
	$(VENV)/bin/python -m tests.cluster --manifests $(ARGS)

cluster: $(TEST) kafka ## Run image, manifests and chart on a real cluster of one node (needs root; ARGS="--image plazo.tar")
	$(VENV)/bin/python -m tests.cluster $(ARGS)

lint: $(TEST) ## Check style, types and the direction of imports
	$(VENV)/bin/ruff check $(SOURCES)
	$(VENV)/bin/ruff format --check $(SOURCES)
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	@$(call CARGO_LINT,fmt,--check)
	@$(call CARGO_LINT,clippy,--locked --offline --all-targets -- -D warnings)

# Fails as well if the service is out of reach: an audit that did not happen is no pass.
audit: $(TEST) ## Ask for known weaknesses of the dependencies (UNREACHABLE=allowed passes without the service)
	$(PIP) install pip-audit || { echo "NOT AUDITED: pip-audit cannot be installed" >&2; \
		$(if $(filter allowed,$(UNREACHABLE)),true,exit 2); }
	$(VENV)/bin/python -m deploy.audit $(REQUIREMENTS)/worker-otel.txt $(if $(filter allowed,$(UNREACHABLE)),--allow-unreachable)

format: $(TEST) ## Mend the style
	$(VENV)/bin/ruff check --fix $(SOURCES)
	$(VENV)/bin/ruff format $(SOURCES)

generate: $(TEST) ## Write what is made from the code: schemas, AsyncAPI, samples, dashboard, PrometheusRule, reference pages
	$(VENV)/bin/python -m schemas.generate
	$(VENV)/bin/python -m tests.contract.samples
	$(VENV)/bin/python -m deploy.grafana.generate
	$(VENV)/bin/python -m deploy.kubernetes.generate
	$(VENV)/bin/python -m worker.documentation

docs: $(DOCS) ## Build the site of docs/, runbooks and guides in site/; a broken link fails it
	$(DOCS_VENV)/bin/python -m deploy.site.stage
	$(DOCS_VENV)/bin/zensical build --strict --config-file .site/mkdocs.yml
	rm -rf site && mv .site/site site

image: ## Build the container image with Docker or Podman (ARGS="--base IMAGE@sha256:…", "--debian", "--extras otel")
	$(PYTHON) -m deploy.image $(ARGS)

# -rA: what was measured, and the reason if there is no engine.
image-test: $(TEST) $(if $(HAVE_KAFKA),kafka) ## Build the image on Debian and run it confined, on real parts (needs podman, runc, mmdebstrap)
	$(VENV)/bin/python -m pytest -rs --capture=no tests/image $(ARGS)

release: $(TEST) $(NATIVE) ## Make wheels, sdist, image, chart, bill and checksums in dist/; publishes nothing (ARGS="--dry-run --without-image")
	$(VENV)/bin/python -m deploy.release $(ARGS)

sbom: $(TEST) ## Write plazo.cdx.json: what the worker is made of, in CycloneDX, as the image holds it
	$(VENV)/bin/python -m deploy.image.sbom $(REQUIREMENTS)/worker.txt plazo.cdx.json

# One resolution, from which the smaller sets are taken, so that tests run what production runs.
RESOLVE = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header
COMPILE = $(RESOLVE) pyproject.toml

lock: $(DEV) ## Resolve the dependencies anew (ARGS=--upgrade for the newest)
	$(PIP) install uv
	$(COMPILE) $(ARGS) --extra dev --extra test --output-file $(REQUIREMENTS)/test.txt > /dev/null
	$(COMPILE) $(ARGS) --extra dev --extra test --extra bench --output-file $(REQUIREMENTS)/bench.txt > /dev/null
	$(COMPILE) --extra dev --constraint $(REQUIREMENTS)/test.txt --output-file $(REQUIREMENTS)/dev.txt > /dev/null
	$(COMPILE) --extra registry --extra webhooks --constraint $(REQUIREMENTS)/test.txt --output-file $(REQUIREMENTS)/worker.txt > /dev/null
	$(COMPILE) --extra registry --extra webhooks --extra otel --constraint $(REQUIREMENTS)/test.txt --output-file $(REQUIREMENTS)/worker-otel.txt > /dev/null
	sed -n 's/^fuzz = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(RESOLVE) $(ARGS) --output-file $(REQUIREMENTS)/fuzz.txt - > /dev/null
	sed -n 's/^docs = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(RESOLVE) $(ARGS) --output-file $(REQUIREMENTS)/docs.txt - > /dev/null
	echo hatchling | $(RESOLVE) --constraint $(REQUIREMENTS)/dev.txt --output-file $(REQUIREMENTS)/build.txt - > /dev/null

clean: ## Remove everything that was made here
	rm -rf tests/specification/node_modules $(VENV) $(BENCH_VENV) $(FUZZ_VENV) $(DOCS_VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache dist .site site
	rm -rf $(CRATE)/target $(NATIVE)
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# Moved into place: a worker that runs keeps the file that it has mapped.
$(NATIVE): $(CRATE)/Cargo.toml $(CRATE)/Cargo.lock $(CRATE)/.cargo/config.toml $(wildcard $(CRATE)/src/*.rs)
	cd $(CRATE) && cargo build --release --locked --offline --target-dir target
	cp $(LIBRARY) $@.new && mv $@.new $@

without-native:
	@echo "left out: the compiled reader. To build it, install cargo (Debian: apt install cargo)"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The stamps say what is installed. The test set holds the dev set, so it counts for both; the
# checkout is installed in place and without a look at any index.
$(DEV): $(REQUIREMENTS)/dev.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r $(REQUIREMENTS)/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(TEST): $(REQUIREMENTS)/test.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r $(REQUIREMENTS)/test.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(DEV)

# Apart, since the peers want older versions of some libraries.
$(BENCH): PIP = $(BENCH_VENV)/bin/python -m pip --disable-pip-version-check --quiet
$(BENCH): $(REQUIREMENTS)/bench.txt pyproject.toml
	$(PYTHON) -m venv $(BENCH_VENV)
	$(PIP) install --require-hashes -r $(REQUIREMENTS)/bench.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Apart, since its wheel exists for few versions of Python.
$(FUZZ): PIP = $(FUZZ_VENV)/bin/python -m pip --disable-pip-version-check --quiet
$(FUZZ): $(REQUIREMENTS)/dev.txt $(REQUIREMENTS)/fuzz.txt pyproject.toml
	$(PYTHON) -m venv $(FUZZ_VENV)
	$(PIP) install --require-hashes -r $(REQUIREMENTS)/dev.txt
	$(PIP) install --require-hashes -r $(REQUIREMENTS)/fuzz.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Apart, since it needs nothing of the worker, and the worker nothing of it.
$(DOCS): PIP = $(DOCS_VENV)/bin/python -m pip --disable-pip-version-check --quiet
$(DOCS): $(REQUIREMENTS)/docs.txt
	$(PYTHON) -m venv $(DOCS_VENV)
	$(PIP) install --require-hashes -r $(REQUIREMENTS)/docs.txt
	@touch $@
