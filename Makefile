# Commands for users and developers; `make` without a target lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
CLIENTS := tests/clients/node_modules/.installed
DASHBOARD := frontend-examples/dashboard
NPM := $(shell command -v npm)
MAVEN := $(and $(shell command -v java),$(shell command -v mvn))
PYTEST := $(BIN)/python -m pytest
# Most tests wait most of the time. Tests that share servers run in one worker (tests/conftest.py).
WORKERS ?= 5
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# The first Python that is new enough and can make a virtual environment: `python3` may be a version manager's shim
# that runs nothing, or an old one beside a new `python3.12`. PYTHON=.. chooses another one.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14 python /usr/bin/python3; do \
	"$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$name"; break; }; done)

# A second `make run` in one clone waits until the first one has installed the packages.
LOCK := $(shell command -v flock >/dev/null 2>&1 && echo flock .venv.lock)
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(LOCK) $(PIP) install --quiet

export PIP_REQUIRE_VIRTUALENV := true
# Bytecode is written wherever Python runs from here: compiling is most of a start, and half of pytest's collection.
unexport PYTHONDONTWRITEBYTECODE
export UV_PYTHON_DOWNLOADS := never

##@ Use

.PHONY: run
run: $(INSTALLED) ## serve everything on http://127.0.0.1:8000, with a simulated Leshan unless REVEILLE_LESHAN_URL is set
	@$(MAKE) dashboard || echo "The dashboard was not built: / is the page that needs no build."
	@exec env REVEILLE_FIRMWARE_STORE="$${REVEILLE_FIRMWARE_STORE:-.reveille/firmware}" $(BIN)/reveille serve

.PHONY: leshan
leshan: ## build and start our Leshan server with real LwM2M devices (Java 17 and Maven)
	@exec leshan-server/run both $(LESHAN_ARGS)

.PHONY: leshan-build
leshan-build: # before pytest, whose processes would wait for it
	@leshan-server/run build

.PHONY: leshan-dist
leshan-dist: ## build our Leshan server as an archive that needs only Java 17: leshan-server/target/dist/*.tar.gz
	@leshan-server/run dist

# Vite needs a newer Node.js than some distributions have; npm has it as a package.
NEW_NODE = $(shell node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 19) ? 0 : 1)' \
	2>/dev/null || echo npm exec --yes --ignore-scripts=false --package=node@24.21.0 --)

.PHONY: dashboard
dashboard: $(if $(NPM),$(DASHBOARD)/dist/index.html) ## build the dashboard, which is then served at / (Node.js and npm)
	@$(if $(NPM),:,echo "The dashboard was not built, because npm was not found: / is the page that needs no build.")

$(DASHBOARD)/node_modules/.installed: $(DASHBOARD)/package-lock.json
	@echo "Installing the packages of the dashboard (once)"
	@$(LOCK:.venv.lock=.npm.lock) sh -c 'cd $(DASHBOARD) && npm ci --loglevel=error'
	@touch $@

$(DASHBOARD)/dist/index.html: $(DASHBOARD)/node_modules/.installed $(wildcard $(addprefix $(DASHBOARD)/,index.html vite.config.ts public/*)) \
		$(shell find $(DASHBOARD)/src -type f)
	@echo "Building the dashboard"
	@cd $(DASHBOARD) && $(NEW_NODE) npm run --silent build -- --logLevel warn

.PHONY: screenshots
screenshots: $(INSTALLED_DEV) $(DASHBOARD)/dist/index.html ## take the pictures of the README again (Chromium)
	@mkdir -p docs/screenshots
	REVEILLE_SCREENSHOTS=docs/screenshots $(PYTEST) --quiet tests/e2e/web/test_dashboard_accessibility.py -k screenshots

.PHONY: wheel
wheel: $(INSTALLED_DEV) $(DASHBOARD)/dist/index.html ## build dist/reveille-*.whl, which contains all runtime files: pipx install dist/reveille-*.whl
	@rm -rf dist
	$(BIN)/uv build --wheel --no-build-isolation --offline --quiet --out-dir dist
	@ls dist/*.whl

.PHONY: migrate
migrate: $(INSTALLED) ## migrate the database of REVEILLE_DATABASE_URL to the current schema
	@exec $(BIN)/reveille migrate

##@ Development

.PHONY: test
test: ## run all tests on SQLite, and beside them those that use a database on PostgreSQL
	@$(MAKE) --jobs=3 test-ready
	@$(MAKE) --jobs=2 --keep-going test-sqlite test-postgres

.PHONY: test-ready
test-ready: test-bytecode $(if $(NPM),$(CLIENTS) dashboard) $(if $(MAVEN),leshan-build) # what the tests need, built once

.PHONY: test-bytecode
test-bytecode: $(INSTALLED_DEV) # otherwise each of pytest's processes would compile all tests in a new clone
	@test -n "$$(find tests -name '*-pytest-*.pyc' -print -quit)" || $(PYTEST) --collect-only --quiet >/dev/null || :

.PHONY: test-sqlite
test-sqlite:
	REVEILLE_TEST_DATABASE=sqlite $(PYTEST) $(PARALLEL) $(TESTS)

.PHONY: test-postgres
test-postgres: WORKERS = 2
test-postgres: # its output is printed at its end, because the other half's is live
	@mkdir -p test-results
	@REVEILLE_TEST_DATABASE=postgres $(PYTEST) $(PARALLEL) -m database $(TESTS) >test-results/postgres.txt 2>&1; status=$$?; \
		cat test-results/postgres.txt; $(if $(TESTS),test $$status -eq 5 || )exit $$status # 5: none of TESTS uses a database

.PHONY: leshan-test
leshan-test: $(INSTALLED_DEV) ## run the tests of Leshan servers: the contract suite and the Java tests, a part of `make test`
	$(PYTEST) tests/contract/leshan tests/contract/test_leshan_server_*.py

RUNS ?= 20
.PHONY: faults
faults: $(INSTALLED_DEV) ## inject random faults into real processes: RUNS=20 runs, SEED=.. repeats one, JOBS=4 run in parallel
	@exec $(BIN)/python -m tests.faults --runs $(RUNS) $(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS))

MINUTES ?= 10
.PHONY: soak
soak: $(INSTALLED_DEV) ## run all processes under load for MINUTES=10, and report memory, files and connections of each
	@exec $(BIN)/python -m bench.scale.soak --minutes $(MINUTES)

.PHONY: check
check: $(INSTALLED_DEV) $(if $(NPM),dashboard-check) ## lint, format, types, import contracts, exported schema, tables in the docs, addresses, paths, wording, the dashboard
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/reveille schema --check
	$(BIN)/python -m tools.trusted_documents --check
	$(BIN)/python -m tools.settings_table --check
	$(BIN)/python -m tools.metrics_tables --check
	$(BIN)/python -m tools.access_table --check
	$(BIN)/python -m tools.firmware_tables --check
	$(BIN)/python -m tools.hygiene
	$(BIN)/python -m tools.wording

.PHONY: dashboard-check
dashboard-check: $(DASHBOARD)/node_modules/.installed # types, unit tests, and whether the generated files are current
	@cd $(DASHBOARD) && $(NEW_NODE) sh -c 'npm run --silent check && npm run --silent test && npm run --silent generate -- --check'

.PHONY: format
format: $(INSTALLED_DEV) ## apply automatic fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(INSTALLED_DEV) ## measure, print ratios, write docs/bench: ONLY=dispatch for one line, BENCH_ARGS="--small" (--help)
	@exec $(BIN)/python -m bench $(if $(ONLY),--only $(ONLY),--out docs/bench) $(BENCH_ARGS)

.PHONY: schema
schema: $(INSTALLED) ## write schema.graphql, the trusted documents, and the tables of settings, metrics, roles and firmware updates
	$(BIN)/reveille schema
	$(BIN)/python -m tools.trusted_documents
	$(BIN)/python -m tools.settings_table
	$(BIN)/python -m tools.metrics_tables
	$(BIN)/python -m tools.access_table
	$(BIN)/python -m tools.firmware_tables

.PHONY: lock
lock: $(INSTALLED_DEV) ## pin all dependencies again, with hashes and without addresses (UPGRADE=1: to newer versions)
	$(COMPILE) --group build --output-file requirements.txt
	$(COMPILE) --group dev --constraint requirements.txt --output-file requirements-dev.txt
	for folder in tests/clients $(DASHBOARD); do (cd $$folder && npm $(if $(UPGRADE),update,install) --package-lock-only) || exit 1; done
	$(BIN)/python -m tools.locks
	$(BIN)/python -m tools.hygiene
COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header $(if $(UPGRADE),--upgrade)

.PHONY: clients
clients: $(CLIENTS) ## install the JavaScript clients of tests/clients (Node.js and npm)

.PHONY: graphiql
graphiql: $(INSTALLED_DEV) ## copy GraphiQL's built files again (Node.js and npm); the lock file is in tools/graphiql
	cd tools/graphiql && npm install --package-lock-only && npm ci
	$(BIN)/python -m tools.locks
	$(BIN)/python -m tools.vendor_graphiql

.PHONY: clean
clean: ## remove build results and installed packages, but no databases
	rm -rf $(VENV) .venv.lock .npm.lock .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis test-results
	rm -rf dist leshan-server/target tools/graphiql/node_modules tests/clients/node_modules $(DASHBOARD)/node_modules $(DASHBOARD)/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- the virtual environment: installed once, and again after a change of the requirements

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with its venv module is needed: make run PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Creating $(VENV) with $(PYTHON)"
	@$(LOCK) "$(PYTHON)" -m venv $(VENV)

$(INSTALLED): requirements.txt pyproject.toml | $(BIN)/pip
	@echo "Installing Reveille's dependencies (once)"
	@$(INSTALL) --require-hashes --requirement requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation --no-index --editable .
	@touch $@

# uv installs in seconds what takes pip a minute, most of it for reading indexes and compiling. Where uv cannot reach a
# package, for example because only pip knows the index, pip installs what is missing. It does not read [tool.uv], whose
# constraints have no hashes; the locked versions obey them.
$(INSTALLED_DEV): requirements-dev.txt requirements.txt pyproject.toml | $(BIN)/pip
	@echo "Installing Reveille and the development dependencies (once)"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.txt >$(VENV)/uv.txt
	@$(INSTALL) --require-hashes --requirement $(VENV)/uv.txt
	@$(LOCK) $(BIN)/uv pip install --quiet --no-config --python $(BIN)/python --require-hashes \
		--requirement requirements-dev.txt \
		|| $(INSTALL) --require-hashes --requirement requirements-dev.txt
	@$(INSTALL) --no-deps --no-build-isolation --no-index --editable .
	@touch $(INSTALLED) $@

# --- the JavaScript clients of the tests

$(CLIENTS): tests/clients/package.json tests/clients/package-lock.json
	@echo "Installing the JavaScript clients of tests/clients (once)"
	@$(LOCK:.venv.lock=.npm.lock) sh -c 'cd tests/clients && npm ci --loglevel=error'
	@touch $@
