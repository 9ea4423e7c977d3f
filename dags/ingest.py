"""One DAG a source: extract → refine → load for each of its streams, side by side, then the audit.

An interval again, or for the first time: *Trigger* with its two dates. Many: Airflow's own backfill, a run for each
interval of the schedule that begins between two dates, the last one included: `airflow backfill create --dag-id …
--from-date … --to-date … --max-active-runs 1`. It asks for a DAG with a schedule; where the environment follows none (a
laptop) Airflow refuses it, and `ingot backfill` does the same.
"""

from __future__ import annotations

from datetime import timedelta

# The processor imports Airflow's modules that it finds named in this very file once, before it forks for a
# parse: naming the operator's module here is what keeps a parse of this file at milliseconds.
import airflow.providers.amazon.aws.operators.glue  # noqa: F401
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, TaskGroup
from ingot_bundle import Bundle, Source, load_bundle, load_sources
from ingot_glue import GlueStepOperator
from ingot_interval import PARAMS, macros

STEPS = ("extract", "refine", "load")

INTERVAL_ARGUMENTS = {
    "--interval_start": "{{ interval_start(dag_run, params) }}",
    "--interval_end": "{{ interval_end(dag_run, params) }}",
}
RUN_ARGUMENTS = {
    **INTERVAL_ARGUMENTS,
    "--as_of": "{{ as_of(dag_run) }}",
}


def ingest(source: Source, bundle: Bundle) -> DAG:
    """The DAG ``ingest_{source}``."""
    with DAG(
        dag_id=f"ingest_{source.name}",
        dag_display_name=f"Ingest {source.title}",
        description="API → gate → Bronze → Parquet → warehouse, a batch a stream.",
        # A plain cron string would give Airflow 3's intervals of no length.
        schedule=CronDataIntervalTimetable(source.schedule, timezone="UTC") if bundle.schedules else None,
        start_date=source.start_date,
        catchup=False,
        max_active_runs=1,
        params=PARAMS,
        user_defined_macros=macros(source.schedule),
        tags=["ingot", "ingest", source.name],
        doc_md=__doc__,
        default_args={
            "owner": "ingot",
            "retries": 2,
            "retry_delay": timedelta(seconds=5 * bundle.poll_seconds),
            "retry_exponential_backoff": 2,
            "max_retry_delay": timedelta(minutes=15),
        },
    ) as dag:
        loads = [stream_steps(source, stream, bundle) for stream in source.streams]
        audit = GlueStepOperator(
            task_id="audit",
            job_name=bundle.job(source.name, "audit"),
            # All steps of this interval are over then: one that left no end was killed.
            script_args=INTERVAL_ARGUMENTS,
            job_poll_interval=bundle.poll_seconds,
            # The audit tells of failed batches too, so it runs whatever happened to the streams...
            trigger_rule="all_done",
        )
        # ...and for that reason its success must not be the run's: this last task, which needs the audit
        # and every load, is. (A teardown would hide a failure of the audit instead.)
        complete = EmptyOperator(task_id="complete")
        loads >> audit
        [*loads, audit] >> complete
    return dag


def stream_steps(source: Source, stream: str, bundle: Bundle) -> GlueStepOperator:
    """The steps of one stream in a group of their own; the last one is returned."""
    with TaskGroup(group_id=stream):
        previous: GlueStepOperator | None = None
        for step in STEPS:
            task = GlueStepOperator(
                task_id=step,
                job_name=bundle.job(source.name, step),
                script_args={"--source": source.name, "--stream": stream, **RUN_ARGUMENTS},
                job_poll_interval=bundle.poll_seconds,
                outlets=[source.asset(stream)] if step == STEPS[-1] else [],
            )
            if previous is not None:
                previous >> task
            previous = task
    assert previous is not None
    return previous


_BUNDLE = load_bundle()
for _source in load_sources():
    globals()[f"ingest_{_source.name}"] = ingest(_source, _BUNDLE)
