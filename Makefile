# `make demo` and `make test` are all that a fresh machine needs: each makes its own environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: all install dev demo test lint docs clean

all: install

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,docs]'
	touch $@

# Compiling the kernels here means that nobody waits for a compiler later.
$(VENV)/.warm: $(VENV)/.installed $(shell find src/skysift -name '*.py')
	$(BIN)/skysift doctor --warm
	touch $@

install: $(VENV)/.warm

dev: $(VENV)/.dev $(VENV)/.warm

demo: $(VENV)/.warm
	$(BIN)/skysift demo --output demo

test: $(VENV)/.dev $(VENV)/.warm
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks docs examples
	$(BIN)/ruff format --check src tests benchmarks docs examples
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

clean:
	rm -rf $(VENV) build demo docs/_build docs/_generated .pytest_cache .mypy_cache .ruff_cache
