# The two commands are `make serve` and `make test`; the rest is for people who change the project.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Files that say what is installed: what the gallery needs, and also the tools for development.
SERVE := $(VENV)/.serve
READY := $(VENV)/.ready
# Many tests wait for a server, so there are two processes more than cores. A file stays in one
# process; tests/conftest.py says which files come first.
PROCESSES := $(shell n=$$(( $$(getconf _NPROCESSORS_ONLN) + 2 )); echo $$(( n > 6 ? 6 : n )))
PYTEST = $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder
NEWEST := 3.13

.DEFAULT_GOAL := help
.PHONY: help serve test test-all test-again coverage lint check-newest format docs linkcheck screenshot bench lock changes clean

help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "quartpatterns needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(SERVE): requirements-serve.lock pyproject.toml | $(BIN)/pip
	@$(BIN)/python tools/install.py requirements-serve.lock
	@touch $@

# The one lock contains the other, in the same versions.
$(READY): requirements.lock requirements-serve.lock pyproject.toml | $(BIN)/pip
	@$(BIN)/python tools/install.py requirements.lock
	@touch $(SERVE) $@

serve: $(SERVE)  ## Run the gallery under Hypercorn, on http://127.0.0.1:5000
	@$(BIN)/quartpatterns serve

test: $(READY)  ## Run the tests, without those that take long
	$(PYTEST) -m "not slow" $(ARGS)

test-all: $(READY)  ## Run every test, as CI does
	$(PYTEST) $(ARGS)

test-again: $(READY)  ## Run the tests that failed in the last run, one at a time
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(ARGS)

coverage: $(READY)  ## Run every test and print the lines that none of them runs
	$(PYTEST) --cov=quartpatterns --cov-report=term-missing:skip-covered $(ARGS)

lint: $(READY)  ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

check-newest: $(READY)  ## Import everything and compare every port on the newest supported Python
	@NEWEST=$(NEWEST) UV=$(BIN)/uv .ci/check-newest

format: $(READY)  ## Write the code in the project's style
	$(BIN)/ruff check --fix --select I,UP,RUF100 .
	$(BIN)/ruff format .

docs: $(READY)  ## Build the documentation into docs/_build
	$(BIN)/sphinx-build --fail-on-warning --quiet --builder html docs docs/_build/html
	$(BIN)/python -m docs.extension.check docs/_build/html

linkcheck: $(READY)  ## Ask every page of other sites that the documentation links to
	$(BIN)/sphinx-build --quiet --builder linkcheck docs docs/_build/linkcheck

screenshot: $(READY)  ## Take the picture of the gallery in README.md, with Chromium
	$(BIN)/python -m tests.browser.screenshot

bench: $(READY)  ## Measure the ports against the originals
	$(BIN)/quartpatterns bench $(ARGS)

COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet

lock: $(READY)  ## Resolve both locks anew from pyproject.toml
	$(COMPILE) --all-extras --group serve --upgrade --output-file requirements.lock
	$(COMPILE) --extra gallery --group serve --constraint requirements.lock --output-file requirements-serve.lock

changes: $(READY)  ## Show the changes since the last release, from the fragments in changes/
	@$(BIN)/towncrier build --draft --version unreleased

clean:  ## Remove what the other commands made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis docs/_build dist
