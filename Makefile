# Each target sets up what it needs: Python 3.11+ with its venv module and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= config/nexo-bridge.toml

.PHONY: demo demo-mqtt test test-all test-rest simulate soak-mqtt bench check run coverage clean

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,sandbox]'
	@touch $@

demo: $(VENV)/ready
	@$(BIN)/nexo-bridge demo

# The same with the till at a broker: mosquitto, which it says how to install.
demo-mqtt: $(VENV)/ready
	@$(BIN)/nexo-bridge demo --mqtt

test: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long" --ignore tests/test_conversations.py
	$(BIN)/python -m pytest -n 2 tests/test_conversations.py # one file, which would keep one core busy

# In full what `make test` covers: every conversation in every scenery, over every transport and in both forms
# (docs/conversations.md); process, token endpoint and result channel dying at every point of every way a payment can go;
# and what takes long by itself.
test-all: test test-rest

# What `make test` leaves out of that.
test-rest: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 -m long
	SCENERIES=rest $(BIN)/python -m pytest -n 2 tests/test_conversations.py::test_it_goes_as_written
	KILLS=rest $(BIN)/python -m pytest -n 2 tests/faults/test_kill.py::test_killed_once \
		tests/faults/test_broken_ways_in.py::test_broken_once \
		tests/faults/test_mqtt_kills.py::test_r13_the_bridge_is_killed_and_every_answer_arrives

# Random histories of payments, crashes and faults, many more than `make test` walks.
simulate: $(VENV)/ready
	$(BIN)/python -m pytest tests/core/test_simulation.py --hypothesis-profile thorough --timeout 0

# Twenty POS over one broker with faults and kills, each paying PAYMENTS times.
soak-mqtt: export PAYMENTS ?= 100
soak-mqtt: $(VENV)/ready
	$(BIN)/python -m pytest tests/faults/test_mqtt_many.py

# What the bridge costs and what it adds to a payment, measured on this machine.
bench: $(VENV)/ready
	@$(BIN)/python -m tests.bench

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pure layers (below adapters) have every branch walked by some test.
PURE := core categories nexo ppaas money redaction errors policy
PURE_TESTS := tests/core tests/categories tests/nexo tests/ppaas $(wildcard tests/test_money.py tests/test_redaction.py tests/test_errors.py tests/test_policy.py)
coverage: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PURE_TESTS) $(PURE:%=--cov=nexo_bridge.%) --cov-branch \
		--cov-report term-missing:skip-covered --cov-fail-under 100

run: $(VENV)/ready
	$(BIN)/nexo-bridge run --config $(CONFIG)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
