"""Bronze tables → dbt's staging, silver and gold, a task a model, as soon as the sources of a schedule are loaded.

A source whose stream fails holds back those of its schedule: *Trigger* runs it all the same, with what is loaded.

With `full_refresh` everything is computed anew from Bronze: after `ingot rebuild`, and when a model has other columns.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetAll, AssetAny, Param
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode, TestBehavior, TestIndirectSelection
from cosmos.profiles.base import DbtProfileConfigVars
from cosmos.profiles.postgres.user_pass import PostgresUserPasswordProfileMapping
from cosmos.profiles.redshift.user_pass import RedshiftUserPasswordProfileMapping
from ingot_bundle import FOLDER, Bundle, Source, load_bundle, load_sources
from ingot_dbt import TransientOnly, emit_metrics
from ingot_lineage import complete_lineage

CONNECTION = "warehouse"
"""The Airflow connection; the Secrets Manager backend finds it as ``ingot/{environment}/warehouse``."""

PROFILE = "ingot"
"""The profile named in ``dbt_project.yml``."""

SALT = {"INGOT_MASK_SALT": "{{ var.value.mask_salt }}"}
"""The Airflow variable; the Secrets Manager backend finds it as ``ingot/{environment}/mask_salt``."""

ENGINES: dict[str, Any] = {
    "postgres": PostgresUserPasswordProfileMapping,
    "redshift": RedshiftUserPasswordProfileMapping,
}


def profile(bundle: Bundle) -> ProfileConfig:
    """dbt's profile, made in the task from the Airflow connection; nothing is looked up at parse time."""
    return ProfileConfig(
        profile_name=PROFILE,
        target_name=bundle.warehouse_engine,
        profile_mapping=ENGINES[bundle.warehouse_engine](
            conn_id=CONNECTION,
            # The default schema; the project puts each layer into a schema of its own.
            profile_args={"schema": "silver", "threads": 4},
            dbt_config_vars=DbtProfileConfigVars(send_anonymous_usage_stats=False),
        ),
    )


def project() -> ProjectConfig:
    """The uploaded dbt project, with its manifest built beforehand: dbt never runs to parse a DAG."""
    config = ProjectConfig(dbt_project_path=FOLDER / "dbt", install_dbt_deps=False)
    # Set here and not above, where Cosmos makes an ObjectStoragePath of it: opening one of those loads every
    # Airflow plugin, which took 0.4 s of the 0.55 s of a parse.
    config.manifest_path = FOLDER / "dbt" / "target" / "manifest.json"
    return config


def loaded(sources: list[Source]) -> AssetAny:
    """All streams of all sources with one schedule, whichever it is: gold is then of one day, and built once."""
    together: dict[str, list[Asset]] = {}
    for source in sources:
        together.setdefault(source.schedule, []).extend(source.assets)
    return AssetAny(*(AssetAll(*assets) for assets in together.values()))


def transform(bundle: Bundle) -> DAG:
    """The DAG ``transform``: it runs when all that follows some schedule has been loaded since its last run."""
    with DAG(
        dag_id="transform",
        dag_display_name="Transform",
        description="dbt: staging → silver → gold, with the tests of each model right after it.",
        schedule=loaded(load_sources()),
        catchup=False,
        max_active_runs=1,
        params={
            "full_refresh": Param(
                False,
                type="boolean",
                title="Compute everything anew",
                description="dbt's --full-refresh. Unless given, a run computes what is new.",
            )
        },
        tags=["ingot", "transform", "dbt"],
        doc_md=__doc__,
        default_args={
            "owner": "ingot",
            "retries": 2,
            "retry_delay": timedelta(seconds=5 * bundle.poll_seconds),
            "retry_exponential_backoff": 2,
            "retry_policy": TransientOnly(),
        },
    ) as dag:
        DbtTaskGroup(
            group_id="dbt",
            project_config=project(),
            profile_config=profile(bundle),
            execution_config=ExecutionConfig(
                execution_mode=ExecutionMode.LOCAL,
                invocation_mode=InvocationMode.SUBPROCESS,
                dbt_executable_path=os.environ.get("DBT_EXECUTABLE", "dbt"),
                # A test that needs two models runs with the one that is built last.
                test_indirect_selection=TestIndirectSelection.BUILDABLE,
            ),
            render_config=RenderConfig(
                load_method=LoadMode.DBT_MANIFEST,
                test_behavior=TestBehavior.BUILD,
            ),
            # Unit tests hold for the code, not for the data: they run where the code changes.
            operator_args={
                "env": {"DBT_EXCLUDE_RESOURCE_TYPES": "unit_test"} | (SALT if bundle.mask_salt else {}),
                "append_env": True,
                "full_refresh": "{{ params.full_refresh }}",
                "callback": [emit_metrics, complete_lineage],
                "callback_args": {"namespace": bundle.metrics_namespace, "log_group": bundle.metrics_log_group},
            },
        )
    return dag


transform_dag = transform(load_bundle())
