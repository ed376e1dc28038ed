# Everything a contributor types. `make` alone lists it. Works with GNU make 3.81 (macOS) and later.

PYTHON ?= python3
VENV ?= .venv
VENV_OLDEST ?= .venv-oldest
VENV_AIRFLOW ?= .venv-airflow
VENV_DOCS ?= .venv-docs
PORT ?= 3000
# Tests wait for processes and servers for much of their time: two cores have work for three workers.
PYTEST_WORKERS ?= 3
DIST ?= dist
SHARE ?= 1

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
STAMP_OLDEST := $(VENV_OLDEST)/.installed
STAMP_AIRFLOW := $(VENV_AIRFLOW)/.installed
STAMP_DOCS := $(VENV_DOCS)/.installed
DEMO := .demo

# Each of the many processes that tests and demo start would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

WARM_JAVA := ai/starlake/executor/warm/java

# The distributions of this repository: their folders, and the files that say what they need.
EMULATOR := packages/starlake-gcp-emulator
REQUIREMENTS := VERSION setup.cfg pyproject.toml $(EMULATOR)/pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup demo ui airflow-demo test test-slow test-oldest test-airflow airflow-tests airflow-types lint format types imports wheels dist release-check golden warm-server bench soak docs docs-check docs-links docs-reference pictures gcp-smoke clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create .venv and install the project into it (again only when its requirements change)

$(STAMP): $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "Python 3.10 or newer is needed, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 || echo not installed)." >&2; \
	  echo "Name another one: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu install its package first: apt install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[dev]' -e $(EMULATOR)
	@touch $@

demo: $(STAMP) ## Make the sample bakery's assets with a real Dagster run, then show the tables
	@$(BIN)/python samples/demo.py --home $(DEMO) --port $(PORT)

ui: $(STAMP) ## Open Dagster's UI on the demo project (PORT=3000)
	@$(BIN)/python samples/demo.py --home $(DEMO) --ui --port $(PORT)

airflow-demo: $(STAMP_AIRFLOW) ## Load and transform the sample bakery with real tasks of Airflow, then show the tables
	@$(VENV_AIRFLOW)/bin/python samples/airflow/run.py --home $(DEMO)-airflow

test: $(STAMP) ## Run the tests that a change needs: all but the slow ones
	$(BIN)/python -m pytest -q -m "not slow" -n $(PYTEST_WORKERS)

test-slow: $(STAMP) ## Run the slow tests: real servers, kills, large data; needs a C compiler and PostgreSQL
	@command -v cc >/dev/null 2>&1 || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq gcc libc6-dev; } || \
	  echo "No C compiler: the tests of faults in system calls will fail. On Debian: apt-get install gcc libc6-dev" >&2
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq postgresql; } || \
	  echo "No PostgreSQL: the tests of its audit will fail. On Debian: apt-get install postgresql" >&2
	$(BIN)/python -m pytest -q -m slow -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder --durations 40

test-oldest: $(STAMP_OLDEST) ## Run the tests on Dagster 1.9.13 and the lowest versions that the requirements allow
	$(VENV_OLDEST)/bin/python -m pytest -q -m "not slow and not version_independent" -n $(PYTEST_WORKERS) \
	  --hypothesis-profile=oldest

# The lowest versions of the direct requirements, on the lowest Python at hand.
$(STAMP_OLDEST): $(REQUIREMENTS) | $(STAMP)
	@rm -rf $(VENV_OLDEST)
	@for candidate in python3.10 $(HOME)/.pyenv/versions/3.10*/bin/python $(BIN)/python; do \
	  if $$candidate --version >/dev/null 2>&1; then \
	    echo "Oldest supported versions in $(VENV_OLDEST), on $$($$candidate --version)"; \
	    $(BIN)/uv venv --quiet --python "$$(command -v $$candidate)" $(VENV_OLDEST); break; fi; done
	$(BIN)/uv pip install --quiet --python $(VENV_OLDEST)/bin/python --resolution lowest-direct -e '.[test]' -e $(EMULATOR)
	@$(VENV_OLDEST)/bin/python -c 'import dagster; assert dagster.__version__ == "1.9.13", dagster.__version__'
	@touch $@

test-airflow: $(STAMP_AIRFLOW) ## Check the types and run the tests of Airflow's side, in an environment with Airflow and without Dagster
	@$(MAKE) --no-print-directory --keep-going --jobs 2 airflow-tests airflow-types

airflow-tests: $(STAMP_AIRFLOW)
	$(VENV_AIRFLOW)/bin/python -m pytest -q tests/airflow -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder --durations 15

airflow-types: $(STAMP_AIRFLOW)
	$(VENV_AIRFLOW)/bin/mypy $$(find ai/starlake/airflow -name '*.py')

$(STAMP_AIRFLOW): $(REQUIREMENTS) | $(STAMP)
	@test -x $(VENV_AIRFLOW)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(VENV_AIRFLOW)
	$(BIN)/uv pip install --quiet --python $(VENV_AIRFLOW)/bin/python -e '.[test-airflow]' -e $(EMULATOR)
	@touch $@

lint: $(STAMP) ## Check style and formatting (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## Put the code into shape (ruff)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

types: $(STAMP) ## Check the types (mypy, strict)
	$(BIN)/mypy

imports: $(STAMP) ## Check which part of the code may import which (import-linter)
	$(BIN)/lint-imports --no-logo

wheels: $(STAMP) ## Build the wheels of both distributions (DIST=dist)
	@rm -rf build/lib build/bdist.* $(EMULATOR)/build
	$(BIN)/uv build --quiet --wheel --out-dir '$(DIST)' .
	$(BIN)/uv build --quiet --wheel --out-dir '$(DIST)' $(EMULATOR)
	@rm -rf build/lib build/bdist.* $(EMULATOR)/build
	@ls '$(DIST)'/*.whl

dist: $(STAMP) ## Build what is released of both distributions (DIST=dist): source distributions, and wheels from them
	$(BIN)/uv build --quiet --out-dir '$(DIST)' .
	$(BIN)/uv build --quiet --out-dir '$(DIST)' $(EMULATOR)
	@ls '$(DIST)'/*.whl '$(DIST)'/*.tar.gz

release-check: $(STAMP) ## Build both distributions, check them, and run README's example on the oldest and the newest Python
	$(BIN)/python -m pytest -q -rP tests/packaging/test_release.py

golden: $(STAMP) ## Replay the recorded cases against the embedded engine and count them by group
	$(BIN)/python tests/golden/tally.py

# `java`, a JRE, is enough to run them: most machines of users have no compiler. The digests say what they are made of.
warm-server: ## Compile the server of warm Starlake (needs a JDK, 11 or later)
	rm -f $(WARM_JAVA)/*.class
	javac --release 11 -Xlint:all -Werror -d $(WARM_JAVA) $(WARM_JAVA)/*.java
	cd $(WARM_JAVA) && $(PYTHON) -c 'import hashlib, pathlib; \
	  [print(hashlib.sha256(path.read_bytes()).hexdigest(), "", path) for path in sorted(pathlib.Path().glob("*.[jc]*a*"))]' > SHA256SUMS

bench: $(STAMP) $(STAMP_AIRFLOW) ## Measure against plain Dagster, DuckDB and Airflow in the same run
	$(BIN)/python -m benchmarks
	$(VENV_AIRFLOW)/bin/python -m benchmarks airflow

soak: $(STAMP) ## Try what must never happen, under 20 minutes, and write docs/reliability.md: SHARE=0.1 [TRIALS=..]
	$(BIN)/python -m benchmarks.soak --share '$(SHARE)' $(TRIALS)

gcp-smoke: $(STAMP) ## Load the sample on the real Google Cloud: PROJECT=.. REGION=.. BUCKET=.. [JOB=..] [JARS=..]; it costs money
	@$(BIN)/python samples/gcp_smoke.py --project '$(PROJECT)' --region '$(REGION)' --bucket '$(BUCKET)' --job '$(JOB)' --jars '$(JARS)'

docs: $(STAMP_DOCS) ## Serve the site, and build it again at each change (PORT=3000)
	$(VENV_DOCS)/bin/mkdocs serve --dev-addr 127.0.0.1:$(PORT)

docs-check: $(STAMP_DOCS) ## Build the site into build/site; a link or an anchor that leads nowhere is an error
	@NO_MKDOCS_2_WARNING=1 $(VENV_DOCS)/bin/mkdocs build --strict
	@! grep -rEl '<(script|img|link)[^>]* (src|href)="https?:' build/site --include='*.html' || { echo "A page loads something from elsewhere" >&2; exit 1; }
	@echo "$$(find build/site -name '*.html' | wc -l) pages in build/site"
	@$(BIN)/python -m tests.documentation.code_blocks

docs-reference: $(STAMP) ## Write the pages of docs/reference after the options and commands of the code
	$(BIN)/python docs/_site/reference.py

docs-links: $(STAMP) ## Ask each address outside of the repository that a page links to (needs the network)
	$(BIN)/python -m tests.documentation.links --ask

# Its own environment: the site is made from the sources, without Dagster.
$(STAMP_DOCS): $(REQUIREMENTS) | $(STAMP)
	@test -x $(VENV_DOCS)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(VENV_DOCS)
	$(BIN)/uv pip install --quiet --python $(VENV_DOCS)/bin/python -e '.[docs]'
	@touch $@

pictures: $(STAMP) ## Take the pictures in images/ of assets and jobs in Dagster's UI (needs Chromium)
	$(BIN)/uv pip install --quiet --python $(BIN)/python playwright
	$(BIN)/python samples/pictures.py

clean: ## Remove what the targets above made, the virtual environments too
	rm -rf $(VENV) $(VENV_OLDEST) $(VENV_AIRFLOW) $(VENV_DOCS) $(DEMO) $(DEMO)-airflow .bench .pytest_cache .hypothesis .ruff_cache .mypy_cache .import_linter_cache build $(DIST) *.egg-info $(EMULATOR)/build $(EMULATOR)/src/*.egg-info
	find ai packages tests samples -name __pycache__ -type d -prune -exec rm -rf {} +
