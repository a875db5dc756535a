.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
export RAY_USAGE_STATS_ENABLED = 0

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(STAMP) ## a virtual environment with everything, pinned
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 setup")'
	@echo 'Setting up $(VENV): packages are fetched and unpacked, which takes 3 to 8 minutes, once'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	@touch $@

demo: setup ## a sample archive, summarised; the report to open in a browser
	$(BIN)/clipsum demo --output demo

test: setup ## the tests (12 minutes on 2 cores)
	$(BIN)/python -m pytest -m 'not slow'

test-all: setup ## the tests, the slow ones too
	$(BIN)/python -m pytest

check: setup ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

kitchen-tiny: setup ## build the embedded default bundle again, from its seed (40 minutes on 2 cores)
	$(BIN)/python -m clipsum.training.kitchen_tiny

bench: setup ## the speed targets: ours, the other way, the ratio, the limit
	$(BIN)/clipsum bench

.PHONY: help setup demo test test-all check kitchen-tiny bench
