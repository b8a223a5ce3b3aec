# Quiet Page. `make run` opens the journal, `make test` proves it works; `make help` lists the rest.
# Everything is installed into .venv; a stamp file there means that nothing has to be installed again.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.installed
# Image, audio and server parts of llama.cpp are not used; leaving them out halves the compile.
export CMAKE_ARGS ?= -DLLAVA_BUILD=OFF

.DEFAULT_GOAL := help
.PHONY: help run setup setup-train setup-test setup-lint test test-all test-offline lint format bench bench-trainer model-report safety-report canary torture screenshots lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

run: $(STAMP)-app ## open the journal (without a display: do the whole job on the sample journal)
	@$(BIN)/python -m journal_app.launch

setup: $(STAMP)-app ## install the app: .venv/bin/quietpage
setup-train: $(STAMP)-train ## add the trainer: .venv/bin/quietpage-train
setup-test: $(STAMP)-test
setup-lint: $(STAMP)-lint

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Quiet Page needs Python 3.11 or newer with venv. On Debian or Ubuntu: sudo apt-get install python3 python3-venv"; exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(STAMP)-build: requirements/build.lock | $(VENV)/bin/python
	@$(PIP) install --require-hashes -r requirements/build.lock
	@touch $@

$(STAMP)-app: requirements/app.lock pyproject.toml $(STAMP)-build
	@command -v c++ >/dev/null || { echo "A C++ compiler is needed to build llama.cpp. On Debian or Ubuntu: sudo apt-get install build-essential"; exit 1; }
	@echo "Installing what the app needs (llama.cpp is compiled once, about 3 minutes on 2 cores)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --no-build-isolation --require-hashes -r requirements/app.lock
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(STAMP)-train: $(STAMP)-app
	@echo "Adding what the trainer needs (torch and others, about 1 GB)"
	@$(PIP) install --no-build-isolation --editable '.[train]'
	@touch $@

$(STAMP)-test: $(STAMP)-train
	@$(PIP) install --no-build-isolation --editable '.[test]'
	@touch $@

$(STAMP)-lint: $(STAMP)-test
	@$(PIP) install --no-build-isolation --editable '.[lint]'
	@touch $@

test: $(STAMP)-test ## run the tests, headless, in under 25 minutes on 2 cores with everything installed anew
	@scripts/test.sh -m "not slow"

test-all: $(STAMP)-test ## run the tests with the slow ones
	@scripts/test.sh

test-offline: $(STAMP)-test ## run the app's tests where there is no network at all (Linux)
	@scripts/test-offline.sh

lint: $(STAMP)-lint ## ruff and basedpyright
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright

format: $(STAMP)-lint ## apply ruff's fixes and format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP)-test ## measure what the app promises -> build/reports/bench.json
	@QT_QPA_PLATFORM=offscreen $(BIN)/python scripts/bench.py

torture: $(STAMP)-test ## kill the app with -9 ROUNDS times (200) and see what is left -> build/reports/torture.json
	@$(BIN)/python scripts/torture.py

bench-trainer: $(STAMP)-test ## measure the trainer against TRL's defaults -> build/reports/bench-trainer.json
	@$(BIN)/python scripts/bench_trainer.py

model-report: $(STAMP)-test ## judge the models that ship on the corpora (QUIETPAGE_DATA) -> build/reports/model-report.json
	@$(BIN)/python scripts/model_report.py

safety-report: $(STAMP)-test ## ask the safety rules and the output check every case -> build/reports/safety-report.json
	@$(BIN)/python scripts/safety_report.py

canary: $(STAMP)-test ## search every byte that the app writes for words and keys -> build/reports/canary.json
	@$(BIN)/python scripts/canary.py

screenshots: $(STAMP)-app ## every place in light, dark, Korean and at 200 % -> build/screenshots/
	@QT_QPA_PLATFORM=offscreen $(BIN)/python scripts/screenshots.py

lock: $(STAMP)-lint ## resolve the lock files anew (after a change of dependencies)
	@$(PIP) install uv
	@$(BIN)/uv pip compile requirements/build.in --universal --python-version 3.11 --generate-hashes --no-annotate -q -U -o requirements/build.lock --custom-compile-command "make lock"
	@$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate -q -U -o requirements/app.lock --custom-compile-command "make lock"

clean: ## remove what was built (never a journal)
	rm -rf build sample-output .pytest_cache .ruff_cache
