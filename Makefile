# Everything a person does with this checkout; `make` alone lists it. All is kept below .venv*, .wheels and .ingot.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test fuzz faults up down status clean containers setup manifest modules lint docs snapshots lock

CDK_CLI := 2.1148.1
PYTHON := .venv/bin/python
DBT_FILES := $(shell find dbt -type f -not -path 'dbt/target/*' -not -path 'dbt/logs/*' 2>/dev/null)

# Some images set it, and every process then starts at half speed.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPATH := $(CURDIR)/localstack:$(CURDIR)
export DO_NOT_TRACK := 1
export UV_PYTHON_DOWNLOADS := never

help: ## list these targets
	@awk -F ':[^#]*## ' '/^[a-z]+:[^#]*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup manifest modules ## Fakestore API → Bronze → Parquet → Postgres → silver → gold, on this machine (SOURCE=live: the real API)
	@$(PYTHON) -m laptop demo $(if $(SOURCE),--source $(SOURCE))

test: setup manifest modules .venv-datacontract/.made .venv-glue/.made .venv-hadolint/.made .venv-checkov/.made .venv-workflows/.made ## run every test (ARGS="-k name" for some)
	@$(PYTHON) -m $(if $(ARGS),pytest $(ARGS),tests)

fuzz: setup ## records that nobody thought of, against the gate (MINUTES=10)
	@FUZZ_MINUTES=$(or $(MINUTES),1) $(PYTHON) -m pytest -q -s tests/unit/ingot/test_fuzz_gate.py

faults: setup manifest ## histories in which everything goes wrong: HISTORIES=1000, FIRST=1, SEED=7 for one with every step, PLANT=manifest-first, BRIEF=1
	@$(PYTHON) -m tests.faults $(if $(HISTORIES),--histories $(HISTORIES)) $(if $(FIRST),--first $(FIRST)) $(if $(SEED),--seed $(SEED)) $(if $(PLANT),--plant $(PLANT)) $(if $(BRIEF),--brief)

up: setup manifest modules ## start the services, deploy the stacks and leave everything running
	@$(PYTHON) -m laptop up $(if $(SOURCE),--source $(SOURCE))

down: ## stop everything that demo and up started
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m laptop down; fi

status: ## say what runs, and where
	@$(PYTHON) -m laptop status

clean: ## stop everything and remove the state folder and what was built (not the environments)
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m laptop clean; fi
	@rm -rf build dist cdk.out dbt/target dbt/logs

containers: ## the same in containers, for those who have Docker: see docker-compose.yml
	@"$$(localstack/laptop/find-python.sh)" localstack/compose/make_env.py .env
	@docker compose up --build --detach

setup: .venv/.made .venv-dbt/.made .venv-node/.made-$(CDK_CLI) ## make the three environments, if their requirements changed

manifest: dbt/target/manifest.json ## parse the dbt project, if it changed

modules: setup ## fetch the wheels that Glue jobs take, if their lock changed
	@$(PYTHON) -m infra.job_modules

lint: setup ## check style, types and that what is generated is fresh
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(PYTHON) -m ingot.cli contract compile --check
	$(PYTHON) -m ingot.cli contract check --against base
	$(PYTHON) -m docs.generator --check

docs: setup ## write what is generated: from contracts (dbt's staging, pages) and from code (the references)
	$(PYTHON) -m ingot.cli contract compile
	$(PYTHON) -m docs.generator

snapshots: setup ## write the templates' snapshots again, when a change to them is meant
	@SNAPSHOTS=renew $(PYTHON) -m pytest -q tests/unit/infra/test_templates_snapshot.py \
	    tests/unit/infra/test_delivery.py::test_it_is_as_it_was_agreed_on

lock: .venv-uv/.made ## compile requirements/*.in to versions with hashes
	$(UV) pip compile $(COMPILE) --constraints requirements/constraints-mwaa-3.3.1.txt requirements/airflow.in -o requirements/airflow.txt
	$(UV) pip compile $(COMPILE) requirements/dbt.in -o requirements/dbt.txt
	$(UV) pip compile $(COMPILE) requirements/datacontract.in -o requirements/datacontract.txt
	$(UV) pip compile $(COMPILE) requirements/checkov.in -o requirements/checkov.txt
	$(UV) pip compile $(COMPILE) requirements/hadolint.in -o requirements/hadolint.txt
	$(UV) pip compile $(COMPILE) requirements/workflows.in -o requirements/workflows.txt
	cp requirements/airflow.txt requirements/glue-modules.txt  # preferred: the versions that jobs have on a laptop
	$(UV) pip compile $(GLUE) $$(sed -n 's/^\([A-Za-z].*\)==.*/--no-emit-package \1/p' requirements/glue-6.0.txt) pyproject.toml -o requirements/glue-modules.txt
	$(UV) pip compile $(GLUE) --constraints requirements/glue-modules.txt pyproject.toml requirements/glue.in -o requirements/glue.txt

UV := .venv-uv/bin/uv
COMPILE := --quiet --python-version 3.12 --generate-hashes --no-annotate --no-header
GLUE := $(subst 3.12,3.13,$(COMPILE)) --constraints requirements/glue-6.0.txt

# The machine's own uv if it runs (a pyenv shim may not), else one from the package index.
.venv-uv/.made: localstack/laptop/find-python.sh
	@mkdir -p .venv-uv/bin
	@if uv --version >/dev/null 2>&1; then \
	    ln -sf "$$(command -v uv)" $(UV); \
	elif ! $(UV) --version >/dev/null 2>&1; then \
	    echo "uv, which makes the environments"; \
	    "$$(localstack/laptop/find-python.sh)" -m venv .venv-uv; \
	    .venv-uv/bin/python -m pip install --quiet --disable-pip-version-check uv; \
	fi
	@touch $@

define environment
	@echo "$(1): $(2) packages"
	@python="$$(localstack/laptop/find-python.sh $(4))"; [ -x $(1)/bin/python ] || $(UV) venv --quiet --python "$$python" $(1)
	@$(UV) pip sync --quiet --python $(1) --require-hashes --compile-bytecode $(3)
endef

.venv/.made: requirements/airflow.txt pyproject.toml | .venv-uv/.made
	$(call environment,.venv,$$(grep -c == requirements/airflow.txt),requirements/airflow.txt)
	@$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

.venv-dbt/.made: requirements/dbt.txt | .venv-uv/.made
	$(call environment,.venv-dbt,$$(grep -c == requirements/dbt.txt),requirements/dbt.txt)
	@touch $@

# Only tests need it: a tool of others that must accept our contracts.
.venv-datacontract/.made: requirements/datacontract.txt | .venv-uv/.made
	$(call environment,.venv-datacontract,$$(grep -c == requirements/datacontract.txt),requirements/datacontract.txt)
	@touch $@

# The library's dependencies as Glue's image has them: only tests run there.
.venv-glue/.made: requirements/glue.txt | .venv-uv/.made
	$(call environment,.venv-glue,$$(grep -c == requirements/glue.txt),requirements/glue.txt,3.13)
	@touch $@

# A linter of Dockerfiles; the wheel carries the program.
.venv-hadolint/.made: requirements/hadolint.txt | .venv-uv/.made
	$(call environment,.venv-hadolint,$$(grep -c == requirements/hadolint.txt),requirements/hadolint.txt)
	@touch $@

# Only tests need it: a tool of others that reads our templates.
.venv-checkov/.made: requirements/checkov.txt | .venv-uv/.made
	$(call environment,.venv-checkov,$$(grep -c == requirements/checkov.txt),requirements/checkov.txt)
	@touch $@

# Only tests need it: tools of others that read the workflows of GitHub Actions.
.venv-workflows/.made: requirements/workflows.txt | .venv-uv/.made
	$(call environment,.venv-workflows,$$(grep -c == requirements/workflows.txt),requirements/workflows.txt)
	@touch $@

.venv-node/.made-$(CDK_CLI):
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null || \
	    { echo "The CDK's command line needs Node 20 or newer; there is $$(node --version 2>/dev/null || echo none). Install it, then make setup." >&2; exit 1; }
	@echo ".venv-node: aws-cdk $(CDK_CLI)"
	@npm install --prefix .venv-node --no-package-lock --no-fund --no-audit --no-update-notifier --loglevel error aws-cdk@$(CDK_CLI)
	@touch $@

dbt/target/manifest.json: $(DBT_FILES) | .venv-dbt/.made
	@.venv-dbt/bin/dbt --quiet parse --project-dir dbt --profiles-dir dbt
	@touch $@
