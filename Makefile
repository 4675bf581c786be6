# make setup | test | demo | test-long | bench | clean
# PYTHON=/path/to/python3.11 chooses the interpreter, VENV=folder where the environment goes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup oracles lava test demo test-long bench clean

VENV ?= .venv
PY := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:
	@echo "make setup      an environment in $(VENV), spikec installed editable"
	@echo "make test       ruff, mypy and the full tier of tests, oracles and Lava included"
	@echo "make demo       search, estimate, export and verify on real digits, into runs/demo"
	@echo "make test-long  every test: fuzzing, kills, large searches"
	@echo "make bench      the timings"
	@echo "make clean      removes what building left; not $(VENV), not runs"

setup: $(VENV)/.set-up

# The stamp is as new as what it was made from: nothing is done where neither file has changed.
$(VENV)/.set-up: pyproject.toml constraints.txt
	PYTHON="$${PYTHON-}" scripts/make-venv "$(VENV)"
	"$(PY)" -m pip install --quiet --constraint constraints.txt --editable ".[test,bench]"
	@touch "$@"
	@echo "set up: $$("$(PY)" --version), $$("$(VENV)/bin/spikec" --version), in $(VENV)"

oracles: setup
	scripts/install-oracles "$(VENV)"

# Python 3.10 is not everywhere: without it the tests that need Lava are skipped, and say so.
lava: setup
	"$(VENV)/bin/spikec" doctor --install-lava \
	  || echo "Lava could not be installed (above is why): the tests that run it will be skipped" >&2

test: oracles lava
	PYTHON="$(PY)" scripts/check --tier full -n 2 --dist loadgroup

demo: setup
	VENV="$(VENV)" scripts/demo

test-long: oracles lava
	PYTHON="$(PY)" scripts/check --tier long -n 2 --dist loadgroup

bench: setup
	@found=0; for file in benchmarks/*.py; do [ -e "$$file" ] || continue; found=1; "$(PY)" "$$file"; done; \
	  [ $$found = 1 ] || { echo "bench: no file in benchmarks/" >&2; exit 2; }

clean:
	rm -rf build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path "./$(VENV)" -prune -o -name __pycache__ -type d -print0 | xargs -0 --no-run-if-empty rm -rf
