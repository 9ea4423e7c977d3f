#!/bin/sh
# What the image of infra/images/dbt is, on this machine: its ENV, its WORKDIR and, as the first argument, its ENTRYPOINT.
# The local cloud runs it as the container of a task (LOCALCLOUD_ECS_IMAGES), with a folder of the task's own as TMPDIR.
set -eu
export DBT_TARGET_PATH="${TMPDIR}/target" DBT_LOG_PATH="${TMPDIR}/logs" DO_NOT_TRACK=1
cd "$(dirname "$0")/../../dbt"
exec ../.venv-dbt/bin/python turn.py "$@"
