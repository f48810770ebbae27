# `make help` lists what there is. The virtual environment is .venv; PYTHON says which Python makes it.
PYTHON ?= python3
BIN := .venv/bin
REQUIREMENTS := requirements-embedded.txt requirements-build.txt pyproject.toml scripts/venv
PY_SCRIPTS := scripts/contained scripts/down scripts/engine scripts/quickstart-image \
	scripts/reference scripts/run scripts/venv
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help .venv dev run down test check sim e2e torture bench crds docs image lock clean engine test-needs \
	style types imports fresh

help: ## This list
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / {printf "  %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.run engine ## Everything, from nothing to a URL that answers; Ctrl-C leaves the containers running
	@scripts/quickstart-image
	@$(BIN)/python scripts/run

down: .venv/.run ## Remove all that run has made, volumes and database too; asks (YES=1: does not)
	@$(BIN)/python scripts/down

# What drives an engine waits much: three at a time on two cores, each file's tests in their order. Every file has
# organizations of its own, since containers of equal names would meet on the one engine.
test: .venv/.dev test-needs ## All tests, the long matrices in their short form
	@computed=0; \
	$(PYTEST) --numprocesses=auto --dist=loadfile tests/unit tests/property tests/sim || computed=$$?; \
	$(PYTEST) --numprocesses=3 --dist=loadfile --no-loadscope-reorder --durations=15 \
		tests/contract tests/e2e && exit $$computed

check: .venv/.dev ## Style, types, direction of imports, generated files up to date
	@$(MAKE) --no-print-directory --keep-going style types imports fresh

style:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types:
	$(BIN)/mypy
	MYPYPATH=scripts $(BIN)/mypy --scripts-are-modules $(PY_SCRIPTS)

imports:
	$(BIN)/lint-imports

fresh:
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT \
		&& $(BIN)/python -m resources.schema "$$fresh" >/dev/null \
		&& diff -r crds "$$fresh" || { echo "crds/ is stale: make crds"; exit 1; }
	$(BIN)/python scripts/reference --check

sim: .venv/.dev ## The simulation: the whole loop on virtual time with seeded faults
	$(PYTEST) tests/sim

e2e: .venv/.dev test-needs ## The real program, a real engine, a real PostgreSQL
	$(PYTEST) tests/e2e

torture: .venv/.dev test-needs ## All tests, the long matrices in full (hours)
	SKYCTL_TORTURE=1 $(PYTEST) tests

bench: .venv/.dev engine ## Ratios against the bare engine and against peers
	@scripts/quickstart-image
	$(BIN)/python -m benchmarks

crds: .venv/.run ## Generate crds/, one JSON Schema per kind
	$(BIN)/python -m resources.schema crds

docs: .venv/.run ## Generate the reference in docs/
	$(BIN)/python scripts/reference

image: ## Build the controller's own image (BASE=..., IMAGE=skyctl)
	docker build $(if $(BASE),--build-arg BASE=$(BASE)) --tag $(or $(IMAGE),skyctl) .

lock: ## Pin and hash the dependencies anew (ARGS=--upgrade for the newest)
	scripts/lock $(ARGS)

.venv: .venv/.run ## The virtual environment, with what running needs

dev: .venv/.dev ## The virtual environment, with what checking and testing need too

clean: ## Remove what was built; the state in .state and the containers stay
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache .grimp_cache examples/node/node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +
	@echo "Left alone: .state (make down removes it), and the engine (scripts/engine stop ends one that was started here)"

.venv/.run: $(REQUIREMENTS)
	@$(PYTHON) scripts/venv

.venv/.dev: $(REQUIREMENTS) requirements-dev.txt
	@$(PYTHON) scripts/venv --dev

engine:
	@scripts/engine start

# Tests that need what is still missing are skipped, and say so.
test-needs: engine
	@scripts/quickstart-image
	@$(PYTHON) scripts/debian.py pg_config=postgresql,libpq-dev node=nodejs,npm ip=iproute2 nft=nftables \
		mmdebstrap=mmdebstrap pebble=pebble \
		|| echo "going on without; the tests that need it are skipped"
