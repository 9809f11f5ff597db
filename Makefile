# Two commands on a fresh machine: `make demo` shows what it does, `make test` proves it.
# Nothing is needed beyond Python 3.11+ and make; everything else lands in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test check attack bench docs lock reset

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | column -t -s "$$(printf '\t')"

setup: $(READY) ## Make .venv with everything in it, by hash

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Ledgersafe needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make setup PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: setup ## Run the whole job end to end and show what happened
	$(BIN)/ledgersafe demo

test: setup ## Run the tests (under 5 minutes); those of the console's corners and the attacks are in `make attack`
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not attack and not browser"

attack: setup ## Every corner of the console, then races, kills and fuzzing at a tenth (FULL=1 for all)
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m browser
	FULL=$(FULL) $(BIN)/pytest -n $(WORKERS) --dist loadfile -m "attack and together"
	FULL=$(FULL) $(BIN)/pytest -m "attack and not together"

bench: setup ## Measure against limits and peers (20 minutes; OPTIONS=--quick for a look)
	$(BIN)/python -m bench $(OPTIONS)

check: setup ## Style, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

docs: setup ## Write the generated parts of the documentation anew
	$(BIN)/python -m tests.docs.generate

lock: setup ## Resolve the dependencies anew and write requirements.lock (needs uv)
	uv pip compile --quiet --universal --all-extras --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock

reset: ## Remove everything that was made here: the environment, the local data, the caches
	rm -rf $(VENV) .ledgersafe .demo .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
