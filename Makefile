# Everything runs from here. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The oldest supported interpreter on PATH, unless PYTHON says which.
PYTHON ?= $(shell for v in 3.11 3.12 3.13 3.14; do for p in python$$v python3 python; do \
	$$p -c "import sys; sys.exit(sys.version_info[:2] != tuple(map(int, '$$v'.split('.'))))" 2>/dev/null \
	&& { echo $$p; break 2; }; done; done)
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
PARALLEL ?= 8
ARGS ?=

# uv does not read pip's configuration: hand on the index that this machine uses, if it names one.
export UV_DEFAULT_INDEX ?= $(or $(PIP_INDEX_URL),$(shell $(PYTHON) -m pip config get global.index-url 2>/dev/null))
ifeq ($(strip $(UV_DEFAULT_INDEX)),)
unexport UV_DEFAULT_INDEX
endif
export UV_NO_PROGRESS := 1
# Compiled once here, not at each start where Python may not write its caches.
export UV_COMPILE_BYTECODE := 1

.PHONY: help conformance test test-all lint format bench fuzz schemas lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1mmake %-12s\033[0m %s\n", $$1, $$2}'

conformance: $(VENV)/.run ## Boot the platform, run every phase, write the reports, compare with the seed run
	@$(BIN)/caas conformance run -n $(PARALLEL) --min-cases 120 --min-coverage 100 --min-shown 30 $(ARGS)

test: $(VENV)/.dev ## Run every test; ends by naming what was left out and why
	@$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

test-all: ## Run the tests on every supported Python on this machine
	@bash .ci/test-all $(ARGS)

lint: $(VENV)/.dev ## Formatting, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code and apply safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev load/peers/node_modules ## Measure ours against the peers, interleaved, as ratios
	$(BIN)/python -m caas_load $(ARGS)

fuzz: $(VENV)/.dev ## Fuzz the OpenAPI documents: all checks, 50 examples an operation
	@CAAS_FUZZ_EXAMPLES=50 $(BIN)/pytest -s tests/e2e/conformance/test_schemathesis.py $(ARGS)

schemas: $(VENV)/.dev ## Write the published JSON Schemas anew
	$(BIN)/caas report schema

lock: $(VENV)/.dev ## Resolve the dependencies anew into the hash-pinned requirement files
	$(UV) pip compile $(LOCK) --extra embedded pyproject.toml -o requirements/run.txt
	$(UV) pip compile $(LOCK) --extra embedded --extra fuzz --group dev pyproject.toml -o requirements/dev.txt
LOCK := -q --upgrade --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11

clean: ## Remove the environments, the state and the caches
	rm -rf $(VENV) .venv-3.* .caas .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache load/peers/node_modules tests/e2e/node/telemetry/node_modules

$(VENV)/.uv: requirements/bootstrap.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12, 3.13 or 3.14 is needed and none was found; set PYTHON=/path/to/python." >&2; exit 3; }
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make $(VENV): install the venv module of $(PYTHON) (on Debian: python3-venv)." >&2; exit 3; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# The development environment holds the other one, so a sync never takes packages away.
$(VENV)/.run: $(VENV)/.uv requirements/run.txt pyproject.toml
	@test -e $(VENV)/.dev || $(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/run.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.uv requirements/dev.txt pyproject.toml
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

load/peers/node_modules: load/peers/package-lock.json
	@command -v npm >/dev/null || { echo "The peers are Node.js programs: install Node.js 20 or newer with npm." >&2; exit 3; }
	cd load/peers && npm ci --no-audit --no-fund
	@touch $@
