#!/bin/bash
# Postgres's image runs this once, on an empty volume. The warehouse's user is made by the service that deploys: its
# password is in a secret of the stacks.
set -euo pipefail
psql --set ON_ERROR_STOP=1 --username postgres --set "password=$(cat /run/secrets/airflow_database_password)" <<'SQL'
create database ingot;
create database airflow;
create role airflow login password :'password';
alter database airflow owner to airflow;
SQL
