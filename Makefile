# Everything a user or a developer types. `make` alone prints this list.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --python $(BIN)/python --quiet -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test lint types serve bench clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/uv:
	@echo "Creating $(VENV) ..."
	@$(PY) -c 'import sys; sys.exit("gne_analytics needs Python 3.11 or newer; set PY=python3.11" if sys.version_info < (3, 11) else 0)'
	@$(PY) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' constraints.txt)"

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/uv
	@echo "Installing the pinned packages (no torch, no CUDA) ..."
	@$(UV) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(UV) -e '.[dev]'
	@touch $@

setup: $(VENV)/.installed ## create .venv and install the pinned packages

setup-dev: $(VENV)/.installed-dev ## the same with the test tools

demo: setup ## run the whole loop on the demo marketplace and print what it found
	@$(BIN)/gne demo

test: lint types ## lint, types and every test
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: setup-dev ## ruff: style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup-dev ## mypy, strict on the package
	@$(BIN)/mypy

serve: setup ## the dashboard on http://localhost:2718
	@$(BIN)/gne serve

bench: setup ## measurements on planted and null worlds, and beside other tools
	@$(BIN)/python -m benchmarks.worlds && $(BIN)/python -m benchmarks.nulls && $(BIN)/python -m benchmarks.causes

clean: ## remove the environment and all runs
	@rm -rf $(VENV) runs out demo-out
