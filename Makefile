# Every target fills .venv with what it needs, and only when pyproject.toml or constraints.txt have changed.
PYTHON ?= python3
CONFIG ?= configs/local.yaml
BIN := .venv/bin

PYTEST := $(BIN)/python -X faulthandler -m pytest
CLUSTERS := tests/e2e tests/launch
NONE := $(if $(ARGS),|| test $$? -eq 5)  # what ARGS select may lie in one of the two parts only
.PHONY: serve test quick lint format protos bench samples

serve: .venv/.has-runtime
	$(BIN)/antiphon serve $(CONFIG) $(ARGS)

# Tests start some hundred processes, none of which shall compile what another one has.
test quick: export PYTHONDONTWRITEBYTECODE :=

# Everything, or what is named: make test ARGS=tests/media. Deeper: make test ARGS=--hypothesis-profile=deep
ifeq ($(filter tests%,$(ARGS)),)
test: quick
	$(PYTEST) $(CLUSTERS) $(ARGS) $(NONE)
else
test: .venv/.has-dev .venv/ivrit-0.1.8
	$(PYTEST) $(ARGS)
endif

# What needs no cluster, in two processes.
quick: .venv/.has-dev .venv/ivrit-0.1.8
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder $(CLUSTERS:%=--ignore=%) $(ARGS) $(NONE)

lint: .venv/.has-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.has-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The code beside every protocol, which is committed; a test tells when it is stale.
protos: .venv/.has-dev
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. serve_app/grpc/protos/*.proto

# Each starts a server of its own and writes to benchmarks/results; one of them: make bench ARGS=overload
bench: .venv/.has-bench
	@for name in $(or $(ARGS),transcription overload long_audio classification speech long_speech jobs runpod_worker); do $(BIN)/python -m benchmarks.$$name || exit 1; done

# Trains a shipped model again from its recipe: the recogniser in hours, with SAMPLE=classifier that one in minutes.
samples: .venv/.has-samples
	$(BIN)/python -m samples.$(or $(SAMPLE),asr).recipe $(ARGS)

.venv/.has-runtime: EXTRAS :=
.venv/.has-dev: EXTRAS := [dev]
.venv/.has-bench: EXTRAS := [bench]
.venv/.has-samples: EXTRAS := [samples]

.venv/.has-%: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing into .venv; the first time takes some minutes"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.$(EXTRAS)'
	@touch $@ .venv/.has-runtime

# Clients of before 2026 still call servers; the two versions do not fit into one environment.
.venv/ivrit-0.1.8: | .venv/.has-dev
	$(BIN)/python -m pip install --quiet --no-deps --target $@ ivrit==0.1.8

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Antiphon needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
