# Every target needs only Python 3.11 or later, and installs all packages into .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help run test test-versions test-lowest check lint types bench coverage constraints clean

help:            ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 15

run: .venv/run   ## Prove the cache: the same reads direct and through it, on an embedded broker
	$(BIN)/esme prove

test: .venv/dev  ## Run the tests; those whose broker, tshark or vectors are missing are skipped
	$(BIN)/pytest --numprocesses auto

test-versions: .venv/dev  ## Run the fast tests on every other Python from 3.11 on
	$(BIN)/python .ci/environments.py versions

test-lowest: .venv/dev  ## Run the fast tests with the lowest versions that pyproject.toml allows
	$(BIN)/python .ci/environments.py lowest

check: lint types test test-versions test-lowest  ## Everything that CI checks

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/dev
	$(BIN)/mypy

bench: .venv/dev ## Run the benchmarks against their references
	$(BIN)/python -m benchmarks

.venv/run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,pytest]'
	@touch $@

.venv/dev: .venv/run
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

constraints: .venv/dev  ## Pin the newest allowed versions in constraints.txt
	$(BIN)/python .ci/environments.py constraints

coverage: .venv/dev  ## Write docs/coverage.md from the registry and the vectors
	$(BIN)/python -m docs.make_coverage

clean:           ## Remove everything that make created
	rm -rf .venv .venvs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
