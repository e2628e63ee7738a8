# Two commands: `make compare` answers the question, `make test` checks the project. Each makes what it needs in .venv.
# Only Python 3.11+, pip and make have to be there.

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt

INPUTS_EACH ?= 100000
DEMANDS ?= 1e8
# Chooses the half of the designs whose conformance `make test` tests compiled: another one after each commit. SAMPLE=all tests all of them.
SAMPLE ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo all)

.PHONY: compare test soak lint coverage fuzz limits gate-selftest reference docs clean help
.DELETE_ON_ERROR:

help:
	@echo "make compare [ARGS=...]   the table: four designs on a real program's trace"
	@echo "make test                 ruff, mypy, lint-imports, pytest"
	@echo "make soak                 the tests of all designs, compiled mutants, 10^8 demands: some hours"
	@echo "make lint | coverage | fuzz | limits | gate-selftest | reference | docs | clean"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "swapdse needs Python 3.11 or newer: make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(VENV) install --quiet pip; }

$(VENV)/.run: $(INPUTS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.test: $(INPUTS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/.run

compare: $(VENV)/.run
	@$(BIN)/dse compare $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n $(JOBS) --sample $(SAMPLE) $(ARGS)

# What takes longer than a test may: the conformance suite on all designs, all mutants compiled, the integrity run.
soak: lint
	$(BIN)/python -m pytest -n $(JOBS) --sample all $(ARGS)
	$(BIN)/python -m tests.shapes
	$(BIN)/python -m dse.testing.integrity --demands $(DEMANDS)

# The kernels once more as plain Python: numba sees compiled lines, not executed branches.
coverage: $(VENV)/.test
	$(BIN)/coverage erase
	NUMBA_DISABLE_JIT=1 $(BIN)/coverage run -m pytest -m interpreted -n $(JOBS) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95

# Damaged inputs for every reader, 10^5 each: some hours. READERS="csv sql" for some of them, INPUTS_EACH=1000 for fewer.
fuzz: $(VENV)/.test
	$(BIN)/python -m tests.fuzz $(READERS) --inputs $(INPUTS_EACH)

# The structures against the same algorithms in C; needs a C compiler and says so where there is none.
limits: $(VENV)/.test
	$(BIN)/python -m benchmarks.limits $(ARGS)

# Seeded regressions in a temporary clone: the gate must find each. CASES="touch slow" for some of them.
gate-selftest: $(VENV)/.run
	$(BIN)/python -m dse.benching.selftest $(CASES)

# Figures of HEAD and of another commit of main on this machine, to be committed: what asv publish shows. Leave the machine idle.
reference: $(VENV)/.run
	$(BIN)/dse bench --against $(or $(AGAINST),HEAD^) || test $$? -eq 1 # a regression is a figure as well
	$(BIN)/python -m dse.benching.reference $(or $(AGAINST),HEAD^)

docs: $(VENV)/.run
	$(BIN)/python -m dse.documenting docs

clean:
	rm -rf $(VENV) .asv build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
	find dse kernels tests -name __pycache__ -type d -prune -exec rm -rf {} +
