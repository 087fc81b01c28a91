# The verbs of this project; `make help` lists them. Needs python3.11 or newer; everything else is fetched into .tooling,
# .venv and the cache of the sandbox (docs/dependencies.md).
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

UV_VERSION := 0.13.9
# What runs counts, not what is on PATH: version managers put shims there for what is not installed.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$name" && break; done)
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo "$(CURDIR)/.tooling/bin/uv")
RUN := .venv/bin
export PATH := $(PATH):$(CURDIR)/.tooling/bin
PYTEST_ARGS ?=
# The end-to-end tests mostly wait for the simulated AWS to move: twice as many at once as there are cores.
TEST_WORKERS ?= $(shell echo $$((2 * $$(nproc))))
STATE_DIR ?=

.PHONY: help setup demo sandbox test crash-matrix traffic-proof bench check generate format clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.synced ## make the locked environment in .venv; the other verbs do it by themselves

.venv/.synced: uv.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "Python 3.11 or newer is needed; put it on PATH or name it: make PYTHON=…" >&2; exit 1; fi
	@if ! [ -x "$(UV)" ]; then \
	  echo "no uv on PATH: installing uv $(UV_VERSION) into .tooling"; \
	  $(PYTHON) -m venv .tooling && .tooling/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	fi
	@echo "$(UV) sync, and compiling: the operator, the sandbox and each test process start in half the time"
	@$(UV) sync --quiet --frozen --all-extras --compile-bytecode --python $(PYTHON)
	@$(RUN)/python -m compileall -q src
	@touch $@

demo: setup ## from nothing to two Ready tiers on a simulated AWS, a drift repaired, and down again
	$(RUN)/tenant-operator demo

sandbox: setup ## start a real API server and a simulated AWS, and keep them up (stop: .venv/bin/tenant-operator sandbox down)
	$(RUN)/tenant-operator sandbox up $(if $(STATE_DIR),--state-dir $(STATE_DIR))

test: setup ## the whole suite (PYTEST_ARGS="-k name" for a part)
	$(RUN)/tenant-operator sandbox prepare
	$(RUN)/pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

crash-matrix: setup ## strike the operator at every single write in turn: hours (SCENARIOS="change an image,…" EVERY=5 for a part)
	$(RUN)/tenant-operator sandbox prepare
	@mkdir -p bench-results && echo "each end is added to bench-results/crash-matrix.log"
	TENANT_OPERATOR_CRASH_LOG=bench-results/crash-matrix.log $(if $(EVERY),TENANT_OPERATOR_CRASH_EVERY=$(EVERY)) \
	TENANT_OPERATOR_CRASH_MATRIX="$(or $(SCENARIOS),all)" $(RUN)/pytest tests/e2e/test_crash_matrix.py -v -n $(TEST_WORKERS)

traffic-proof: setup ## random sequences of changes with traffic on; none may lose a request (SEQUENCES=20 LENGTH=10 SEED=…)
	$(RUN)/tenant-operator sandbox prepare
	$(RUN)/python -m tests.proof $(if $(SEQUENCES),--sequences $(SEQUENCES)) $(if $(LENGTH),--length $(LENGTH)) $(if $(SEED),--seed $(SEED))

bench: setup ## measure what the operator costs, as a table and as JSON
	$(RUN)/tenant-operator bench

check: setup ## format, lint, types, layers, and whether generated files are fresh
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/tenant-operator crds --check crds
	$(RUN)/python deploy/argocd/generate.py --check
	$(RUN)/python deploy/aws/generate.py --check

generate: setup ## write the files that are made from others: crds/, Argo CD's ConfigMap, the CloudFormation template
	$(RUN)/tenant-operator crds --write crds
	$(RUN)/python deploy/argocd/generate.py
	$(RUN)/python deploy/aws/generate.py

format: setup ## format, and fix what can be fixed
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

clean: ## remove what the other verbs made, but not the sandbox's cache
	rm -rf .venv .tooling .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build bench-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
