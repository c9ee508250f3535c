# Every target needs only make and Python >= 3.11: it makes .venv and installs what it uses there.
# Stamp files in .venv record what is installed, so a second run starts at once.

VENV ?= .venv
JOBS ?= 2
PROGRAMS ?= 20000
# The first interpreter found that is recent enough and can make virtual environments; override with PYTHON=...
PYTHON ?= $(shell for p in python3 python python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test lint type docs bench bench-all bless fuzz spec clean
.DELETE_ON_ERROR:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## install the package with its demo extra, train two models on real digits
	$(BIN)/tensorc demo

test: $(VENV)/.test ## run the whole test suite (JOBS=2 processes)
	$(PY) -m pytest -q -n $(JOBS)

lint: $(VENV)/.dev ## ruff over the whole tree
	$(BIN)/ruff check .

type: $(VENV)/.dev ## mypy --strict over src/tensorc
	$(BIN)/mypy

docs: $(VENV)/.docs ## build the documentation as a site into build/site; warnings are errors
	$(PY) tools/build_site.py

bench: $(VENV)/.test ## a dozen rows beside NumPy, Numba, JAX, PyTorch...; their environments go to .venv-bench
	$(PY) benchmarks/bench.py --install

bench-all: $(VENV)/.test ## every row with one and two threads, compile and import times (takes long)
	$(PY) benchmarks/bench.py --install --all

bless: $(VENV)/.test ## rewrite expected texts and generated pages from what the code gives now; read the diff
	TENSORC_BLESS=1 $(PY) -m pytest -q tests/test_filetests.py tests/test_docs.py tests/diagnostics/test_mistakes.py
	$(PY) tools/gen_spec.py
	$(PY) tools/gen_irdl.py
	$(PY) tools/draw_levels.py
	git --no-pager diff --stat

fuzz: $(VENV)/.test ## judge PROGRAMS=20000 random programs: interpreter against machine code
	$(PY) benchmarks/fuzz.py $(PROGRAMS) --jobs $(JOBS)

spec: $(VENV)/.test ## regenerate docs/spec from the op classes
	$(PY) tools/gen_spec.py
	$(PY) tools/gen_irdl.py
	$(PY) tools/draw_levels.py

clean: ## remove the virtual environment, caches and build products
	rm -rf $(VENV) .venv-oracle .venv-bench build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests tools examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 with the venv module found (Debian: apt install python3-venv); name one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.made
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.made
	$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/.docs: pyproject.toml $(VENV)/.made
	$(PIP) --editable '.[docs]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.made
	$(PIP) --editable '.[dev]'
	@touch $@
