# Everything here sets itself up from nothing: git, make and Python 3.11 are enough.
SHELL := /bin/bash
PYTHON ?= python3
export PYTHON
BIN := .venv/bin
PENSTOCK := $(BIN)/penstock
PURE := src/penstock/model src/penstock/policy src/penstock/reports
COVERED := tests/model tests/policy tests/reports
# Unit and property tests: no socket, no sleep, no component of another project.
QUICK := $(wildcard tests/model tests/policy tests/reports tests/config tests/wire tests/store tests/hub tests/properties tests/conformance tests/test_*.py)
UV := uv==0.13.9
COMPILE := build/lock/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock' --python-version 3.11 --python-platform x86_64-manylinux_2_28

.DEFAULT_GOAL := help
.PHONY: help run test check format coverage bench docs lock clean setup-run setup-test

help: ## say what can be made
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/make \1\t\2/p' Makefile | expand -t 16

run: setup-run ## set up, then `penstock demo $(ARGS)`
	@$(PENSTOCK) demo $(ARGS)

# Three runs that are the whole suite together: what must be covered, what needs no component of another project, and what
# does. The last has the machine for itself: farms of processes that are killed and watched by the clock.
test: setup-test ## set up, real components included, then the whole test suite
	@$(MAKE) --no-print-directory coverage ARGS=
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests $(addprefix --ignore=,tests/real $(COVERED)) $(ARGS)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/real $(ARGS)

check: setup-test ## lint, types, layers, unit and property tests: under 3 minutes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n 2 -m 'not real and not slow' $(QUICK) $(ARGS)

format: setup-test ## put code into the form that `make check` wants
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

coverage: setup-test ## every branch of model/, policy/ and reports/ must be run by their own tests
	@$(BIN)/python -m pytest -q -n 2 $(COVERED) --cov=penstock.model --cov=penstock.policy \
		--cov=penstock.reports --cov-branch \
		--cov-report=term-missing:skip-covered --cov-fail-under=100 $(ARGS)

bench: setup-test ## the benchmarks, each beside its peer; writes build/bench.json
	@$(BIN)/python -m bench $(ARGS)

docs: setup-test ## paste help texts and state diagrams into the documentation
	@$(BIN)/python scripts/paste_help.py
	@$(BIN)/python scripts/describe_api.py

lock: ## choose versions anew and write them with their hashes (ARGS=--upgrade for newer ones)
	@$(PYTHON) -m venv build/lock && build/lock/bin/python -m pip install --quiet '$(UV)'
	@$(COMPILE) $(ARGS) --extra sim pyproject.toml requirements/build.in -o requirements/run.txt
	@$(COMPILE) $(ARGS) -c requirements/run.txt --all-extras pyproject.toml requirements/build.in requirements/dev.in \
		-o requirements/dev.txt
	@$(COMPILE) $(ARGS) requirements/doubles.in -o requirements/doubles.txt
	@$(COMPILE) $(ARGS) requirements/bench.in -o requirements/bench.txt
	@$(subst --python-version 3.11,--python-version 3.12,$(COMPILE)) $(ARGS) requirements/focus.in -o requirements/focus.txt

clean: ## remove all that was made here, but no farm's state
	@rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

setup-run:
	@scripts/setup run
setup-test:
	@scripts/setup test
