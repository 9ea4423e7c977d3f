# Everything a person does with this checkout; `make` alone lists it. All is kept below .venv*, .wheels and .ingot.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test fuzz faults bench stream up down status clean containers setup manifest modules lint docs site screenshots snapshots lock

CDK_CLI := 2.1148.1
PYTHON := .venv/bin/python
DBT_FILES := $(shell find dbt -type f -not -path 'dbt/target/*' -not -path 'dbt/logs/*' -not -name '*.pyc' 2>/dev/null)

# Some images set it, and every process then starts at half speed.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPATH := $(CURDIR)/localstack:$(CURDIR)
export DO_NOT_TRACK := 1
export UV_PYTHON_DOWNLOADS := never

help: ## list these targets
	@awk -F ':[^#]*## ' '/^[a-z]+:[^#]*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup manifest modules ## a shop, rates and price lists → Bronze → Parquet → Postgres → silver → gold, on this machine (SOURCE=live: the real APIs)
	@$(PYTHON) -m laptop demo $(if $(SOURCE),--source $(SOURCE))

test: setup manifest modules .venv-datacontract/.made .venv-glue/.made .venv-spark/.made .venv-ui/.made .venv-hadolint/.made .venv-checkov/.made .venv-workflows/.made .venv-docs/.made .venv-prometheus/.made ## run every test (ARGS="-k name" for some)
	@$(PYTHON) -m $(if $(ARGS),pytest $(ARGS),tests)

fuzz: setup ## records that nobody thought of, against the gate (MINUTES=10)
	@FUZZ_MINUTES=$(or $(MINUTES),1) $(PYTHON) -m pytest -q -s tests/unit/ingot/test_fuzz_gate.py

faults: setup manifest ## histories in which everything goes wrong: HISTORIES=1000, FIRST=1, SEED=7 for one with every step, PLANT=manifest-first, BRIEF=1
	@$(PYTHON) -m tests.faults $(if $(HISTORIES),--histories $(HISTORIES)) $(if $(FIRST),--first $(FIRST)) $(if $(SEED),--seed $(SEED)) $(if $(PLANT),--plant $(PLANT)) $(if $(BRIEF),--brief)

bench: setup manifest ## ours beside what one would pick instead, and the goals: STAGES="gate refine", SIZE=100k|1M|5M|10M, RUNS=5
	@$(PYTHON) -m tests.bench $(if $(STAGES),--stages $(STAGES)) $(if $(SIZE),--size $(SIZE)) $(if $(RUNS),--runs $(RUNS))

stream: setup manifest ## ten thousand events a seed through Kinesis, Firehose and every step, held to an oracle: SEEDS=20, FIRST=1
	@STREAM_SEEDS=$(or $(SEEDS),20) STREAM_FIRST=$(or $(FIRST),1) $(PYTHON) -m pytest -q -s tests/stream

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

manifest: dbt/target/manifest.json dbt/target/lineage.json ## parse the dbt project, if it changed, and follow its columns

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

site: build/dbt-docs/static_index.html .venv-docs/.made ## build the documentation's site, and in it dbt's own
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict
	@echo "build/site/index.html; to read and search it: python3 -m http.server --directory build/site"

screenshots: setup build/dbt-docs/static_index.html ## take the documentation's pictures of the demo that stands (NAMES="airflow")
	@$(PYTHON) -m docs.screens $(NAMES)

snapshots: setup ## write the templates' snapshots again, when a change to them is meant
	@SNAPSHOTS=renew $(PYTHON) -m pytest -q tests/unit/infra/test_templates_snapshot.py \
	    tests/unit/infra/test_delivery.py::test_it_is_as_it_was_agreed_on

lock: .venv-uv/.made ## compile requirements/*.in to versions with hashes
	$(UV) pip compile $(COMPILE) --constraints requirements/constraints-mwaa-3.3.1.txt requirements/airflow.in -o requirements/airflow.txt
	$(UV) pip compile $(COMPILE) requirements/dbt.in -o requirements/dbt.txt
	$(UV) pip compile $(COMPILE) requirements/docs.in -o requirements/docs.txt
	$(UV) pip compile $(COMPILE) requirements/datacontract.in -o requirements/datacontract.txt
	$(UV) pip compile $(COMPILE) requirements/checkov.in -o requirements/checkov.txt
	$(UV) pip compile $(COMPILE) requirements/hadolint.in -o requirements/hadolint.txt
	$(UV) pip compile $(COMPILE) requirements/workflows.in -o requirements/workflows.txt
	for name in requirements/bench-*.in; do $(UV) pip compile $(COMPILE) $$name -o $${name%.in}.txt; done
	$(UV) pip compile $(COMPILE) --constraints requirements/airflow.txt --extra ui pyproject.toml -o requirements/ui.txt
	cp requirements/airflow.txt requirements/glue-modules.txt  # preferred: the versions that jobs have on a laptop
	$(UV) pip compile $(GLUE) $$(sed -n 's/^\([A-Za-z].*\)==.*/--no-emit-package \1/p' requirements/glue-6.0.txt) pyproject.toml -o requirements/glue-modules.txt
	$(UV) pip compile $(GLUE) --constraints requirements/glue-modules.txt pyproject.toml requirements/glue.in -o requirements/glue.txt
	$(UV) pip compile $(GLUE) --constraints requirements/glue-modules.txt pyproject.toml requirements/glue.in requirements/spark.in -o requirements/spark.txt

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

# What the benchmark compares with, a set of packages each.
.venv-bench-%/.made: requirements/bench-%.txt | .venv-uv/.made
	$(call environment,.venv-bench-$*,$$(grep -c == $<),$<)
	@touch $@

# The same with Spark, in the image's version: tests of that engine run there, and a laptop's jobs that chose it.
.venv-spark/.made: requirements/spark.txt | .venv-uv/.made
	@java -version >/dev/null 2>&1 || { echo "Spark takes a Java of 17 or 21, and there is none. Install one, then make $@." >&2; exit 1; }
	$(call environment,.venv-spark,$$(grep -c == requirements/spark.txt),requirements/spark.txt,3.13)
	@touch $@

# The site of the documentation.
.venv-docs/.made: requirements/docs.txt | .venv-uv/.made
	$(call environment,.venv-docs,$$(grep -c == requirements/docs.txt),requirements/docs.txt)
	@touch $@

# What the console's image holds: only a test runs it from there, as there may be no engine to build an image.
.venv-ui/.made: requirements/ui.txt | .venv-uv/.made
	$(call environment,.venv-ui,$$(grep -c == requirements/ui.txt),requirements/ui.txt)
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

# Debian's Prometheus and Alertmanager, unpacked and not installed: only tests run them.
.venv-prometheus/.made: localstack/laptop/get-prometheus.sh
	@echo ".venv-prometheus: Prometheus and Alertmanager, of Debian's packages"
	@localstack/laptop/get-prometheus.sh .venv-prometheus
	@touch $@

.venv-node/.made-$(CDK_CLI):
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null || \
	    { echo "The CDK's command line needs Node 20 or newer; there is $$(node --version 2>/dev/null || echo none). Install it, then make setup." >&2; exit 1; }
	@echo ".venv-node: aws-cdk $(CDK_CLI)"
	@npm install --prefix .venv-node --no-package-lock --no-fund --no-audit --no-update-notifier --loglevel error aws-cdk@$(CDK_CLI)
	@touch $@

# For the defaults of the profile, whatever a shell is told: see dbt/parsed.py. Another dbt parses anew.
dbt/target/manifest.json: $(DBT_FILES) requirements/dbt.txt | .venv-dbt/.made
	@env -u INGOT_WAREHOUSE_HOST -u INGOT_WAREHOUSE_PORT -u INGOT_WAREHOUSE_USER -u INGOT_WAREHOUSE_DBNAME \
	    -u INGOT_MASK_SALT \
	    .venv-dbt/bin/dbt --quiet parse --target postgres --project-dir dbt --profiles-dir dbt
	@touch $@

# Compiled beside the project, for nowhere, and with no salt: only which column is made of which is kept.
dbt/target/lineage.json: $(DBT_FILES) ingot/lineage/models.py | dbt/target/manifest.json .venv/.made
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	    INGOT_MASK_SALT= INGOT_WAREHOUSE_HOST=localhost INGOT_WAREHOUSE_DBNAME=ingot \
	    .venv-dbt/bin/dbt --quiet compile --project-dir dbt --profiles-dir dbt --target postgres --no-introspect \
	    --no-populate-cache --vars 'as_increment: false' --target-path "$$folder" --log-path "$$folder" && \
	    $(PYTHON) -m ingot.lineage.models "$$folder/manifest.json" dbt > "$$folder/lineage.json" && \
	    mv "$$folder/lineage.json" $@

# dbt's own documentation, in one file. Its catalogue is left empty: it would need a warehouse.
build/dbt-docs/static_index.html: dbt/target/manifest.json
	@mkdir -p $(@D) && cp dbt/target/manifest.json $(@D)
	@.venv-dbt/bin/dbt --quiet docs generate --static --empty-catalog --no-compile \
	    --project-dir dbt --profiles-dir dbt --target-path "$(CURDIR)/$(@D)"
