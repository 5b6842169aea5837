# Two commands: `make run` and `make test`. Both set up on first use, from Python 3.11+ and a package registry.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready

# What pip has been told about registries goes for uv too.
export UV_DEFAULT_INDEX ?= $(or $(UV_INDEX_URL),$(PIP_INDEX_URL))
ifeq ($(UV_DEFAULT_INDEX),)
UV_DEFAULT_INDEX := $(shell $(PYTHON) -m pip config get global.index-url 2>/dev/null)
endif
ifeq ($(UV_DEFAULT_INDEX),)
unexport UV_DEFAULT_INDEX
endif
export VIRTUAL_ENV := $(CURDIR)/.venv

.PHONY: help setup system run test lint bench docs lock clean

help:
	@echo 'make run     set up, then live a trading day; make run ARGS="--days 1 --report report"'
	@echo 'make test    set up, then lint, types, import contracts and all tests'
	@echo 'make bench   set up, then the figures beside their peers; ARGS="ring" for one of them'
	@echo 'make docs    set up, then the documentation into site/'
	@echo 'make setup   .venv with .venv/bin/ringmain in it; quick when nothing has changed'
	@echo 'make lock    resolve requirements.lock anew from pyproject.toml'
	@echo 'make clean   remove what the others made, but for data/'

setup: $(READY)

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ringmain needs Python 3.11 or newer. Name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock >.venv/uv.txt
	$(BIN)/python -m pip install --quiet --require-hashes --requirement .venv/uv.txt

$(READY): pyproject.toml requirements.lock | $(BIN)/uv
	$(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@$(MAKE) --no-print-directory system
	@touch $@

# Programs that no package registry for Python has. Nothing fails without them; what needs them says so.
system:
	@PATH="$$PATH:/usr/sbin:/sbin"; command -v mosquitto >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		timeout 120 apt-get install -y -qq --no-install-recommends mosquitto >/dev/null 2>&1 || \
		{ timeout 120 apt-get update -qq && timeout 120 apt-get install -y -qq --no-install-recommends mosquitto; } >/dev/null 2>&1 || true; \
	fi; \
	command -v mosquitto >/dev/null || echo 'mosquitto is not installed: devices over MQTT need it (apt-get install mosquitto)'

run: setup
	$(BIN)/ringmain run $(ARGS)

test: setup lint
	$(BIN)/pytest $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry src

bench: setup
	$(BIN)/ringmain bench $(or $(ARGS),core)

docs: setup
	$(BIN)/zensical build --clean --strict

lock: $(BIN)/uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --upgrade --no-header --no-annotate \
		--python-version 3.11 --group dev --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv site build report .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
