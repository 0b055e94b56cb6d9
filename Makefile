# The two commands that matter: `make run` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
DEMO ?= 1
WORKERS ?= 2

.PHONY: help setup run check test test-all lint bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: ## install everything that run and test need
	@.ci/setup test

run: ## start the server; the first time with a demo community (DEMO=0 make run: empty)
	@.ci/setup run
	@FLOW_DEMO=$(DEMO) $(PYTHON) -m community_flow serve

lint: ## format, lint, types
	@.ci/setup test
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy community_flow sensors wsgi.py tests

check: ## unit and contract tests on SQLite, within a minute
	@.ci/setup test
	$(PYTHON) -m pytest -q tests/unit tests/contract tests/test_layers.py tests/test_docs.py -k "not postgresql and not redis" -m "not slow"

test: lint ## everything but the long runs, in two processes (WORKERS=1: in one after the other)
	$(PYTHON) -m pytest -q -m "not slow" -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

test-all: lint ## everything, with the long runs (an hour)
	$(PYTHON) -m pytest -q

bench: ## every figure of the documentation
	@.ci/setup bench
	@for name in $$(ls tests/bench/*.py | xargs -n1 basename | sed 's/\.py//' | grep -v '^_'); do \
		echo "== $$name"; $(PYTHON) -m tests.bench.$$name $(BENCH_ARGS) || exit 1; done

clean: ## remove what set-up and tests made; the data in var/ stay
	rm -rf .venv .venv-bench node_modules web/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis
