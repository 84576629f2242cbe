# What can be done here: `make help`. Every target installs what it needs into .venv first, and only
# when pyproject.toml, package.json or yarn.lock have changed since.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMPS := $(VENV)/stamps
# jlpm and jupyter-builder are run by scripts of package.json, from the PATH.
export PATH := $(BIN):$(PATH)

LAB_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f) \
  labextension/tsconfig.json
METADATA := pyproject.toml package.json $(wildcard coderemote_kernel/kernelspec/* \
  server_extension/jupyter-config/*)
SCRIPTS := .ci/run binder/postBuild binder/start $(filter-out %.py,$(wildcard scripts/*))
QUIET_PIP := --quiet --disable-pip-version-check

say = @echo "coderemote: $(1)"
# Show what a command says only when it fails.
quietly = output=$$($(1) 2>&1) || { echo "$$output" >&2; exit 1; }

# The lab extension of an editable install is a link to the build. pip would empty the build through it.
unlink-labextension = rm -rf $(VENV)/share/jupyter/labextensions/coderemote
link-labextension = $(unlink-labextension) && mkdir -p $(VENV)/share/jupyter/labextensions && \
  ln -s $(CURDIR)/labextension/dist $(VENV)/share/jupyter/labextensions/coderemote
# Python only: the lab extension is built by its own rule below.
pip-install = $(unlink-labextension) && HATCH_JUPYTER_BUILDER_SKIP_NPM=1 \
  $(BIN)/python -m pip install $(QUIET_PIP) --editable '.[$(1)]' && $(link-labextension)

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | \
	  while IFS=$$'\t' read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done

.PHONY: lab
lab: $(STAMPS)/run labextension/lib/.built ## Open JupyterLab on the tour notebook
	@scripts/lab

.PHONY: demo
demo: $(STAMPS)/run ## Run the tour notebook without a browser, and print every cell and its output
	@$(BIN)/python -m coderemote_kernel.demo

.PHONY: test
test: $(STAMPS)/dev labextension/lib/.built browser lint jest pytest ## Run everything that CI runs

.PHONY: check
check: $(STAMPS)/dev lint-python ## Check the Python code: style, types and the quick tests, in two minutes
	$(call say,running the quick tests)
	@$(BIN)/pytest -m "not slow and not browser and not escape and not hub and not bench" \
	  --ignore=tests/kernel/parity --ignore=tests/sandbox/doctor

.PHONY: bench
bench: $(STAMPS)/dev ## Measure against the stock kernel and write docs/benchmarks.md
	$(call say,measuring; this takes a while and wants a quiet machine)
	@$(BIN)/python -m tests.bench

.PHONY: escape
escape: $(STAMPS)/run ## Attack the sandbox, and print what held
	@$(BIN)/coderemote escape-test

.PHONY: coverage
coverage: $(STAMPS)/dev labextension/lib/.built browser ## Run the Python tests with branch coverage
	$(call say,running the tests with coverage)
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

.PHONY: screenshots
screenshots: $(STAMPS)/dev labextension/lib/.built browser ## Take the pictures of the documentation anew
	@$(BIN)/python scripts/screenshots.py

.PHONY: format
format: $(STAMPS)/dev $(STAMPS)/node ## Put the code into the form that the checks want
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
	@jlpm lint

.PHONY: clean
clean: ## Remove what was built and cached; .venv and node_modules stay
	$(call say,removing builds and caches)
	@rm -rf labextension/lib labextension/dist labextension/coverage build dist htmlcov test-results
	@rm -rf .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache
	@find . \( -name .venv -o -name node_modules -o -name .git \) -prune -o \
	  -type d -name __pycache__ -exec rm -rf {} +

.PHONY: lint
lint: lint-python $(STAMPS)/node
	$(call say,checking the lab extension and the scripts)
	@$(BIN)/shellcheck $(SCRIPTS)
	@jlpm lint:check

.PHONY: lint-python
lint-python: $(STAMPS)/dev
	$(call say,checking style and types of the Python code)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: pytest
pytest: $(STAMPS)/dev labextension/lib/.built browser
	$(call say,running the Python tests)
	# Apart, because a browser driven from a test leaves an event loop running in its process.
	@$(BIN)/pytest -m browser
	@$(BIN)/pytest -m "not browser"

.PHONY: jest
jest: $(STAMPS)/node
	$(call say,running the tests of the lab extension)
	@jlpm test

.PHONY: browser
browser:
	@scripts/browser --install >/dev/null

$(STAMPS)/venv:
	@scripts/make-venv $(PYTHON) $(VENV)
	@mkdir -p $(@D) && touch $@

$(STAMPS)/run: $(METADATA) | $(STAMPS)/venv
	$(call say,installing coderemote with JupyterLab and what the tour uses into $(VENV))
	@$(call pip-install,lab$(comma)tour)
	@touch $@

$(STAMPS)/dev: $(METADATA) $(STAMPS)/run
	$(call say,installing what tests and checks use into $(VENV))
	@$(call pip-install,lab$(comma)tour$(comma)test$(comma)lint)
	@touch $@

$(STAMPS)/node: package.json yarn.lock .yarnrc.yml | $(STAMPS)/run
	@scripts/require-node
	$(call say,installing what the lab extension is built with into node_modules)
	@$(call quietly,jlpm install --immutable)
	@touch $@

labextension/lib/.built: $(LAB_SOURCES) package.json $(STAMPS)/node
	$(call say,building the lab extension)
	@$(call quietly,jlpm build)
	@$(link-labextension)
	@touch $@

comma := ,
