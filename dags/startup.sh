#!/bin/bash
# MWAA sources this file in every component before Airflow starts, and keeps what it exports.
#
# dbt gets an environment of its own: under Airflow's constraints it does not resolve. Its lock travels in the DAG
# folder; installed without resolving it takes about 40 seconds of the five minutes that MWAA allows.

export DBT_EXECUTABLE="${AIRFLOW_HOME:=/usr/local/airflow}/dbt-environment/bin/dbt"
export DO_NOT_TRACK=1
export AIRFLOW__COSMOS__ENABLE_TELEMETRY=False
# Assets of models are named as Airflow 3 wants them; the other form warns in every task.
export AIRFLOW__COSMOS__USE_DATASET_AIRFLOW3_URI_STANDARD=True

make_dbt_environment() {
    local environment="${AIRFLOW_HOME}/dbt-environment"
    local lock="${AIRFLOW_HOME}/dags/requirements/dbt.txt"
    # MWAA sets PIP_USER, which pip refuses inside an environment. A half-made environment has no dbt: make it again.
    [ -x "${DBT_EXECUTABLE}" ] || {
        python3 -m venv --clear "${environment}" &&
            PIP_USER=false "${environment}/bin/python" -m pip install --quiet --disable-pip-version-check \
                --no-deps --require-hashes --requirement "${lock}"
    }
}

# Tasks run on workers, and in the smallest environments beside the scheduler ("hybrid").
case "${MWAA_AIRFLOW_COMPONENT:-}" in
worker | hybrid)
    if ! make_dbt_environment; then
        echo "startup.sh: no dbt environment at ${AIRFLOW_HOME}/dbt-environment; is dags/requirements/dbt.txt in the" \
            "bucket, and can this environment reach the package index?" >&2
        exit 1
    fi
    ;;
esac
