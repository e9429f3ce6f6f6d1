# Synthetic Atoms. 'make' lists the targets. 'PROFILE=smoke make book' is the quick variant of the book.

PYTHON ?= python3
PROFILE ?= book
BOOK_ARGS ?=
PYTEST_ARGS ?=
AUDIT_ARGS ?=
ARTEFACT ?= _build/synthetic-atoms.tar.gz

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UNFINISHED := $(VENV)/.unfinished
PARALLEL := -n auto --dist loadgroup

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup book test test-all test-browser audit faults advisories pdf artefact verify lint format pair lock clean

help: ## List the targets
	@echo "Targets (PROFILE=smoke, book or paper; PYTHON=another Python):"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# An installation that was interrupted leaves $(UNFINISHED) behind, and the next one starts from nothing.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
	  echo "Expected Python 3.11, 3.12 or 3.13 as '$(PYTHON)', found $$($(PYTHON) --version 2>/dev/null || echo none); name another with PYTHON=..." >&2; exit 1; }
	@if [ -e $(UNFINISHED) ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  rm -rf $(VENV); \
	  $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "Expected '$(PYTHON) -m venv' to work, found that it does not; on Debian and Ubuntu install python3-venv." >&2; exit 1; }; \
	fi
	@touch $(UNFINISHED)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off 'setuptools>=77' -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(UNFINISHED)
	@touch $@

setup: $(READY) ## Make .venv with the locked requirements

book: $(READY) ## Execute the notebooks and render the book: _build/book/html/index.html
	$(BIN)/synthetic-atoms book --profile $(PROFILE) $(BOOK_ARGS)

test: $(READY) ## Run the tests that take minutes at most, the notebooks in the smoke profile among them
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not browser" $(PYTEST_ARGS)

test-all: $(READY) ## Run the slow tests too
	$(BIN)/python -m pytest $(PARALLEL) -m "not browser" $(PYTEST_ARGS)

test-browser: $(READY) ## Open every page of the built book in headless Chromium
	$(BIN)/python -m pytest -m browser $(PYTEST_ARGS)

audit: $(READY) ## Refit randomly chosen stored results; fails if one does not come out again
	$(BIN)/synthetic-atoms audit $(AUDIT_ARGS)

pdf: book ## Print the book into one PDF: _build/book/synthetic-atoms.pdf (needs Chromium)
	$(BIN)/synthetic-atoms pdf

artefact: pdf ## Pack sources, book, PDF and executed notebooks into one archive, with checksums and an RO-Crate
	$(BIN)/synthetic-atoms artefact --output $(ARTEFACT)

verify: $(READY) ## Check an archive: make verify ARTEFACT=FILE
	$(BIN)/synthetic-atoms artefact --verify $(ARTEFACT)

faults: $(READY) ## Provoke faults and count those that do harm: none may
	$(BIN)/python tests/faults/faults.py

advisories: $(READY) ## Ask for known advisories about the locked packages (needs pip-audit and the network)
	$(BIN)/python .ci/advisories.py

lint: $(READY) ## Check style, formatting and that each notebook is as its .py says
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/synthetic-atoms pair --check

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pair: $(READY) ## Make every notebook's .ipynb from its .py
	$(BIN)/synthetic-atoms pair --write

lock: $(READY) ## Write requirements.lock and environment.yml from what .venv holds
	$(BIN)/python .ci/lock.py

clean: ## Remove what was built (the virtual environment stays)
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
