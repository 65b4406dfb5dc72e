# Each target sets up what it needs: Python 3.11+ with its venv module and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= config/nexo-bridge.toml

.PHONY: demo test test-all simulate bench check run coverage clean

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,sandbox]'
	@touch $@

demo: $(VENV)/ready
	@$(BIN)/nexo-bridge demo

test: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Every payment conversation over every grant and every result channel, where `make test` takes a covering set.
test-all: export NEXO_BRIDGE_TEST_ALL = 1
test-all: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Random histories of payments, crashes and faults, many more than `make test` walks.
simulate: export HYPOTHESIS_PROFILE = thorough
simulate: $(VENV)/ready
	$(BIN)/python -m pytest tests/core -k simulation --timeout 0

# The figures of docs/performance.md, on this machine.
bench: $(VENV)/ready
	@$(BIN)/python -m tests.bench

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pure layers (below adapters) have every branch walked by some test.
coverage: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report term-missing:skip-covered

run: $(VENV)/ready
	$(BIN)/nexo-bridge run --config $(CONFIG)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
