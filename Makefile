# Everything runs in one virtual environment, which scripts/environment makes on first use and finds good afterwards.
#   make run ONCE=1             post the deliveries, show the table, end
#   make run MODEL=openai/gpt-4o-mini   with a model for the team (or AOS_MODEL), and the provider's key in the environment
#   make test ARGS="-k journal" hands ARGS to pytest
#   make test JOBS=0            in one process; 2 is the default
#   make ... VENV=.venv-312 PYTHON=python3.12
VENV ?= .venv
export VENV
ifdef PYTHON
export PYTHON
endif
ifdef ONCE
export ONCE
endif
ifdef MODEL
export AOS_MODEL = $(MODEL)
endif
ARGS ?=
JOBS ?= 2
python := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help run test check bench azurite lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

run: ## start AOS with the triage desk and post real webhook deliveries to it (ONCE=1: and end)
	@scripts/environment $(if $(filter-out offline,$(AOS_MODEL)),team,core)
	@$(python) -m examples.triage_desk

test: ## run all tests
	@scripts/environment dev
	$(python) -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

check: ## format, lint, strict types, import contract, tests with warnings as errors
	@scripts/environment dev
	$(python) -m ruff format --check .
	$(python) -m ruff check .
	$(python) -m mypy
	$(VENV)/bin/lint-imports --no-logo
	$(python) -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

bench: ## measure on this machine, beside the durability floor, AutoGen core and the peers
	@scripts/environment dev
	@VENV=.venv-peers scripts/environment peers
	@$(python) -m benchmarks.peers.run --json $(ARGS)

azurite: ## the emulator of Azure's storage, on its usual ports, with its data in .aos/azurite
	@scripts/azurite
	@mkdir -p .aos/azurite
	node .azurite/node_modules/azurite/dist/src/azurite.js --location .aos/azurite --disableTelemetry --skipApiVersionCheck

lock: ## pin the dependencies anew (ARGS=--upgrade: to the newest that fit)
	@scripts/environment dev
	@scripts/lock $(ARGS)

clean: ## remove what builds, tests and environments left; agents' data stays
	rm -rf .venv .venv-* .azurite .cosmos .servicebus build dist .coverage htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find AgentOperatingSystem examples scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
