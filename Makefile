# make demo   watch lockdown work, on a local Azure
# make test   the whole suite (BROWSER=0 leaves out the browser, AZ=0 az, AZURITE=0 the storage emulator, and says so)
# make check  lint, types, layers, policies, and the wheel in a clean environment
# make bench  what is measured, as ratios in one run
# Each makes what it needs in .venv (and .az): Python 3.11+, git and make are enough.

PYTHON ?= python3
BROWSER ?= 1
AZ ?= 1
AZURITE ?= 1
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DELETE_ON_ERROR:
.PHONY: demo test check bench browser catalogue reference format screenshots clean

demo: .venv/.demo
	$(BIN)/lockdown demo

test: .venv/.dev browser $(if $(filter 1,$(AZ)),.az/.done)
	$(if $(filter 0,$(BROWSER)),@echo "BROWSER=0: the tests that open pages in Chromium are left out.")
	$(if $(filter 0,$(AZ)),@echo "AZ=0: the tests that run the real az command are left out.")
	$(if $(filter 0,$(AZURITE)),@echo "AZURITE=0: the tests that run Microsoft's storage emulator are left out.")
	$(if $(filter 0,$(BROWSER)),LOCKDOWN_TEST_NO_BROWSER=1) $(if $(filter 0,$(AZ)),LOCKDOWN_TEST_NO_AZ=1) \
		$(if $(filter 0,$(AZURITE)),LOCKDOWN_TEST_NO_AZURITE=1) \
		$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/lockdown policies lint --require-kusto
	$(BIN)/python tests/wheel.py

bench: .venv/.dev browser
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.evidence
	$(BIN)/python -m benchmarks.report
	$(BIN)/python -m benchmarks.provision

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

catalogue: .venv/.dev
	$(BIN)/lockdown policies catalogue > docs/catalogue.md

reference: .venv/.dev
	$(BIN)/python -m lockdown.cli.reference > docs/reference.md

screenshots: .venv/.dev browser
	$(BIN)/python docs/screenshots.py

# Chromium is the one Debian package; only root can install it.
browser:
	@if [ "$(BROWSER)" != 0 ] && ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	fi

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lockdown needs Python 3.11 or newer; name one with PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python pyproject.toml
	$(PIP) install -e '.[sandbox]'
	touch $@

.venv/.dev: .venv/bin/python pyproject.toml
	$(PIP) install -e '.[dev]'
	touch $@ .venv/.demo

# The az command pins other versions of the Azure libraries, so it has an environment of its own.
.az/.done:
	$(PYTHON) -m venv .az
	.az/bin/python -m pip --disable-pip-version-check --quiet install 'azure-cli>=2.80'
	touch $@

clean:
	rm -rf .venv .az .azurite .kusto .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
