# AI-Writer. `make help` lists the targets; each does its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
# The system's own first: it is built with profile-guided optimisation, and a version manager's, as a rule, is not (a quarter slower).
PYTHON ?= $(shell for p in /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PLUGINS := sdk storage-local storage-s3 model-offline model-openai model-anthropic model-gemini publish-wordpress
EDITABLE := $(foreach p,$(PLUGINS),-e plugins/$(p))
UV := $(BIN)/uv
P ?=

.PHONY: help run rebuild test test-sqlite test-postgres check format prove security bench screenshots docs lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.tools: requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "AI-Writer needs Python 3.11 or newer, and none was found. Install it and try again."; exit 1; }
	@echo "Making the environment with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing. On Debian: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.run: $(VENV)/.tools requirements/plugins.txt $(wildcard plugins/*/pyproject.toml)
	@echo "Installing the product and its plugins"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/plugins.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLE)
	@$(BIN)/python -m compileall -q aiwriter apps plugins -x 'zoo|template' || true
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "Installing the tools for tests and checks"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

run: $(VENV)/.run ## Start the portal; DEMO=1 also loads an example workspace
	@exec $(BIN)/python -m aiwriter.supervisor $(if $(DEMO),--demo)

rebuild: $(VENV)/.run ## Restore a portal on an empty machine and start it: REPO=/path/to/repository (or s3://bucket/prefix) KEY=/path/to/key, perhaps SET=id or MOMENT=2026-11-26T14:03:07
	@$(BIN)/python manage.py restore rebuild --repo "$(REPO)" --key "$(KEY)" $(if $(SET),--set "$(SET)") $(if $(MOMENT),--moment "$(MOMENT)")
	@exec $(BIN)/python -m aiwriter.supervisor

test: $(VENV)/.dev ## Run all tests, on SQLite and on PostgreSQL with a Redis-protocol server
	@$(BIN)/python -m tests.suite --database both $(ARGS)

test-sqlite: $(VENV)/.dev ## Run all tests on SQLite
	@$(BIN)/python -m tests.suite --database sqlite $(ARGS)

test-postgres: $(VENV)/.dev ## Run all tests on a PostgreSQL and a Redis-protocol server that the run brings itself
	@$(BIN)/python -m tests.suite --database postgres $(ARGS)

check: $(VENV)/.dev ## Lint, format, types, import contracts, migrations, docs
	@$(BIN)/python -m tests.house.check

.venv-security/.done: $(VENV)/.tools requirements/security.txt
	@echo "Installing the tools of make security, in an environment of their own"
	@$(PYTHON) -m venv --clear .venv-security
	@$(UV) pip install --quiet --python .venv-security/bin/python --require-hashes -r requirements/security.txt
	@touch $@

.venv-wapiti/.done: $(VENV)/.tools requirements/wapiti.txt
	@$(PYTHON) -m venv --clear .venv-wapiti
	@$(UV) pip install --quiet --python .venv-wapiti/bin/python --require-hashes -r requirements/wapiti.txt
	@touch $@

security: $(VENV)/.dev .venv-security/.done .venv-wapiti/.done ## Look for holes: bandit, our semgrep rules, detect-secrets, pip-audit, wapiti; ONLY=name,name
	@$(BIN)/python -m tests.security $(ONLY)

format: $(VENV)/.dev ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

prove: $(VENV)/.dev ## List the proofs; P=name runs one
	@$(BIN)/python -m tests.proofs $(P)

bench: $(VENV)/.dev ## Measure, and print ours against a peer or a limit; P=name runs one
	@$(BIN)/python -m tests.benchmarks $(P)

screenshots: $(VENV)/.dev ## Take the pictures of docs/img
	@$(BIN)/python -m tests.screenshots

docs: $(VENV)/.dev ## Build the documentation into site/
	@$(BIN)/mkdocs build --strict --quiet

lock: $(VENV)/.tools ## Compile requirements/*.in to hashed *.txt
	@for f in uv base plugins test dev deploy security wapiti; do $(UV) pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --quiet --custom-compile-command 'make lock' requirements/$$f.in -o requirements/$$f.txt || exit 1; done

clean: ## Remove the environment and caches; the data folder stays
	@rm -rf $(VENV) .venv-security .venv-wapiti .mypy_cache .ruff_cache .pytest_cache .import_linter_cache site
