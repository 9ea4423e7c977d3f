"""The DAGs as graphs: tasks, edges, arguments, retries and assets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
import yaml

if TYPE_CHECKING:
    from airflow.sdk import DAG

STREAMS = ("products", "users", "carts")


def test_each_stream_is_extracted_refined_and_loaded_beside_the_others(ingest: DAG) -> None:
    for stream in STREAMS:
        assert ingest.get_task(f"{stream}.extract").upstream_task_ids == set()
        assert ingest.get_task(f"{stream}.extract").downstream_task_ids == {f"{stream}.refine"}
        assert ingest.get_task(f"{stream}.refine").downstream_task_ids == {f"{stream}.load"}
        assert ingest.get_task(f"{stream}.load").downstream_task_ids == {"audit", "complete"}
    assert len(ingest.tasks) == 3 * len(STREAMS) + 2


def test_every_step_runs_the_deployed_job_of_its_source_and_step(ingest: DAG) -> None:
    jobs = {task.task_id: task.job_name for task in ingest.tasks if hasattr(task, "job_name")}
    for stream in STREAMS:
        for step in ("extract", "refine", "load"):
            assert jobs.pop(f"{stream}.{step}") == f"ingot-local-fakestore-{step}"
    assert jobs == {"audit": "ingot-local-fakestore-audit"}


def test_the_audit_runs_whatever_happened_and_its_success_is_not_the_runs(ingest: DAG) -> None:
    assert ingest.get_task("audit").trigger_rule == "all_done"
    complete = ingest.get_task("complete")
    assert complete.trigger_rule == "all_success"
    assert complete.upstream_task_ids == {"audit", *(f"{stream}.load" for stream in STREAMS)}
    assert [task.task_id for task in ingest.leaves] == ["complete"]


def test_a_load_updates_the_asset_of_its_stream_and_no_other_task_does(ingest: DAG) -> None:
    outlets = {task.task_id: [asset.uri for asset in task.outlets] for task in ingest.tasks if task.outlets}
    assert outlets == {f"{stream}.load": [f"ingot://bronze/fakestore/{stream}"] for stream in STREAMS}


def test_a_failed_step_is_tried_twice_more_with_growing_pauses(ingest: DAG) -> None:
    for task in ingest.tasks:
        assert task.retries == 2
        assert task.retry_exponential_backoff == 2
        assert task.retry_delay == timedelta(seconds=5)  # five polls of a second


def test_killing_a_task_stops_its_job_run(ingest: DAG) -> None:
    assert all(task.stop_job_run_on_kill for task in ingest.tasks if hasattr(task, "job_name"))


STARTED = datetime(2026, 1, 1, 12, tzinfo=UTC)


def render(task: Any, **run: Any) -> dict[str, str]:
    """The job arguments of a task in a run."""
    params = run.pop("params", {"interval_start": None, "interval_end": None})
    run = {"run_type": "scheduled", "start_date": STARTED, **run}
    task = task.prepare_for_execution()
    context = {"dag_run": SimpleNamespace(**run), "params": params}
    task.render_template_fields(context, task.dag.get_template_env())
    return dict(task.script_args)


RUN_AFTER = datetime(2020, 4, 1, 6, 30, tzinfo=UTC)


def test_a_job_gets_the_runs_interval_and_time_as_utc(ingest: DAG) -> None:
    paris = datetime.fromisoformat("2020-01-01T01:00:00+01:00")
    arguments = render(
        ingest.get_task("carts.extract"),
        data_interval_start=paris,
        data_interval_end=datetime(2020, 4, 1, tzinfo=UTC),
        run_after=RUN_AFTER,
    )
    assert arguments == {
        "--source": "fakestore",
        "--stream": "carts",
        "--interval_start": "2020-01-01T00:00:00Z",
        "--interval_end": "2020-04-01T00:00:00Z",
        "--as_of": "2020-04-01T06:30:00Z",
    }


def test_a_run_without_an_interval_takes_the_schedules_last_whole_one(ingest: DAG) -> None:
    arguments = render(
        ingest.get_task("users.load"), data_interval_start=None, data_interval_end=None, run_after=RUN_AFTER
    )
    assert (arguments["--interval_start"], arguments["--interval_end"]) == (
        "2020-03-31T00:00:00Z",
        "2020-04-01T00:00:00Z",
    )


def test_the_interval_of_the_form_wins_over_the_runs(ingest: DAG) -> None:
    arguments = render(
        ingest.get_task("users.load"),
        data_interval_start=RUN_AFTER,
        data_interval_end=RUN_AFTER + timedelta(days=1),
        run_after=RUN_AFTER,
        params={"interval_start": "2020-02-01T00:00:00+00:00", "interval_end": "2020-03-01T00:00:00Z"},
    )
    assert (arguments["--interval_start"], arguments["--interval_end"]) == (
        "2020-02-01T00:00:00Z",
        "2020-03-01T00:00:00Z",
    )


@pytest.mark.parametrize(
    ("start", "end", "complaint"),
    [
        ("2020-02-01T00:00:00Z", None, "both"),
        (None, "2020-02-01T00:00:00Z", "both"),
        ("2020-02-01T00:00:00Z", "2020-02-01T00:00:00Z", "not after its start"),
    ],
)
def test_half_an_interval_and_an_empty_one_are_refused(
    ingest: DAG, start: str | None, end: str | None, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        render(
            ingest.get_task("users.load"),
            data_interval_start=None,
            data_interval_end=None,
            run_after=RUN_AFTER,
            params={"interval_start": start, "interval_end": end},
        )


def test_a_scheduled_run_has_the_interval_that_ends_with_it(folder: Path, dag_bag: object, tmp_path: Path) -> None:
    """With schedules on, a day's run has the day: Airflow 3 gives a plain cron string no interval."""
    import ingest as module
    from airflow.sdk import CronDataIntervalTimetable
    from ingot_bundle import Bundle, load_sources

    bundle = Bundle(environment="dev", job_prefix="ingot-dev", poll_seconds=30, warehouse_engine="postgres")
    dag = module.ingest(load_sources(folder)[0], bundle)
    assert isinstance(dag.timetable, CronDataIntervalTimetable)
    assert dag.get_task("audit").job_name == "ingot-dev-fakestore-audit"
    assert not dag.catchup


def test_a_stream_is_taken_every_five_minutes_by_one_run_at_a_time(folder: Path, dag_bag: object) -> None:
    """After an outage the newest interval alone is run: it takes what landed meanwhile."""
    import ingest as module
    from airflow.timetables.base import DataInterval, TimeRestriction
    from airflow.timetables.interval import CronDataIntervalTimetable
    from ingot_bundle import Bundle, load_sources

    bundle = Bundle(environment="dev", job_prefix="ingot-dev", poll_seconds=30, warehouse_engine="postgres")
    (source,) = (each for each in load_sources(folder) if each.name == "orders_stream")
    dag = module.ingest(source, bundle)
    assert (dag.max_active_runs, dag.catchup, dag.timetable.expression) == (1, False, "*/5 * * * *")

    # What the scheduler makes of it: its own class, of the same expression.
    timetable = CronDataIntervalTimetable(dag.timetable.expression, "UTC")
    restriction = TimeRestriction(earliest=pendulum.instance(source.start_date), latest=None, catchup=dag.catchup)
    long_ago = pendulum.datetime(2026, 1, 1)
    before = DataInterval(long_ago, long_ago.add(minutes=5))
    found = timetable.next_dagrun_info(last_automated_data_interval=before, restriction=restriction)
    assert found is not None
    assert found.data_interval.end - found.data_interval.start == timedelta(minutes=5)
    assert timedelta(0) <= pendulum.now("UTC") - found.data_interval.start < timedelta(minutes=15)


def test_a_run_that_only_people_start_has_no_schedule(folder: Path, dag_bag: object) -> None:
    import ingest as module
    from ingot_bundle import Bundle, load_sources

    bundle = Bundle(environment="local", job_prefix="x", poll_seconds=1, warehouse_engine="postgres", schedules=False)
    assert module.ingest(load_sources(folder)[0], bundle).schedule is None


def test_the_transformation_waits_for_all_sources_of_a_schedule(transform: DAG, folder: Path) -> None:
    from airflow.sdk import AssetAll, AssetAny

    waited_for: Any = transform.timetable.asset_condition
    assert isinstance(waited_for, AssetAny)
    assert all(isinstance(group, AssetAll) for group in waited_for.objects)
    expected: dict[str, set[str]] = {}
    for file in folder.glob("sources/*/source.yaml"):
        source = yaml.safe_load(file.read_text())
        streams = {f"ingot://bronze/{source['name']}/{stream}" for stream in source["streams"]}
        expected.setdefault(source["schedule"], set()).update(streams)
    found = [{asset.uri for asset in group.objects} for group in waited_for.objects]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected.values()))
    (daily,) = (group for group in found if "ingot://bronze/fakestore/carts" in group)
    assert "ingot://bronze/fx/rates" in daily


def test_sources_of_different_schedules_do_not_wait_for_each_other(dag_bag: object) -> None:
    import transform as module
    from ingot_bundle import Source

    def source(name: str, schedule: str) -> Source:
        return Source(name=name, title=name, schedule=schedule, start_date=STARTED, streams=("a", "b"))

    days, minutes = module.loaded([source("x", "@daily"), source("y", "*/5 * * * *"), source("z", "@daily")]).objects
    assert [asset.name for asset in days.objects] == ["bronze.x_a", "bronze.x_b", "bronze.z_a", "bronze.z_b"]
    assert [asset.name for asset in minutes.objects] == ["bronze.y_a", "bronze.y_b"]


def test_every_model_is_a_task_that_builds_and_tests_it_after_its_parents(transform: DAG, folder: Path) -> None:
    manifest = json.loads((folder / "dbt/target/manifest.json").read_text())
    models = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] in ("model", "seed")}
    name = {key: f"dbt.{node['name']}_{node['resource_type']}_build" for key, node in models.items()}
    assert {task.task_id for task in transform.tasks} == set(name.values())
    for key, node in models.items():
        parents = {name[parent] for parent in node["depends_on"].get("nodes", ()) if parent in models}
        assert transform.get_task(name[key]).upstream_task_ids == parents


def test_dbt_runs_in_its_own_environment_and_installs_nothing(transform: DAG) -> None:
    task: Any = transform.tasks[0]
    assert task.invocation_mode.value == "subprocess"
    assert not task.install_deps
    assert task.profile_config.profile_mapping.conn_id == "warehouse"


@pytest.mark.parametrize("anew", [False, True])
def test_models_are_computed_anew_when_the_run_says_so(transform: DAG, anew: bool) -> None:
    """In the words of dbt's command line, as Cosmos writes it."""
    assert transform.params["full_refresh"] is False
    for task in transform.tasks:
        task: Any = task.prepare_for_execution()
        task.render_template_fields({"params": {"full_refresh": anew}}, transform.get_template_env())
        command, _ = task.build_cmd(context={}, cmd_flags=task.add_cmd_flags())
        assert command[1] == "build"
        assert ("--full-refresh" in command) is anew


def test_a_failed_model_or_test_is_not_tried_again_and_an_unreachable_warehouse_is(transform: DAG) -> None:
    from airflow.sdk.definitions.retry_policy import RetryAction
    from airflow.sdk.exceptions import AirflowException

    task: Any = transform.tasks[0]
    actions = {}
    for exit_code in (1, 2):
        result = SimpleNamespace(exit_code=exit_code, full_output=["…"])
        with pytest.raises(AirflowException) as caught:
            task.handle_exception_subprocess(result)  # Cosmos's own words, which the policy reads
        actions[exit_code] = task.retry_policy.evaluate(caught.value, 1, 2).action
    assert actions == {1: RetryAction.FAIL, 2: RetryAction.DEFAULT}
    assert task.retries == 2


def test_a_bundle_file_that_does_not_fit_the_dags_says_so(tmp_path: Path, dag_bag: object) -> None:
    from ingot_bundle import load_bundle

    (tmp_path / "bundle.json").write_text('{"environment": "local", "job": "x"}')
    with pytest.raises(ValueError, match=r"bundle\.json.*together"):
        load_bundle(tmp_path)


def test_a_source_file_without_a_schedule_says_what_is_missing(tmp_path: Path, dag_bag: object) -> None:
    from ingot_bundle import load_sources

    (tmp_path / "sources/shop").mkdir(parents=True)
    (tmp_path / "sources/shop/source.yaml").write_text("name: shop\nstart_date: 2020-01-01\nstreams: {a: {}}\n")
    with pytest.raises(ValueError, match="'schedule'"):
        load_sources(tmp_path)


@pytest.mark.parametrize(
    ("message", "verdict", "reason"),
    [
        ("TERMINAL RejectRateError: 3 of 7 refused", "TERMINAL", "RejectRateError: 3 of 7 refused"),
        ("SystemExit: 1 TRANSIENT SourceError: 502\nby x", "TRANSIENT", "SourceError: 502\nby x"),
        ("Command failed with exit code 137", "TRANSIENT", "Command failed with exit code 137"),
        ("not TERMINALLY ill: wait", "TRANSIENT", "not TERMINALLY ill: wait"),
    ],
)
def test_the_verdict_of_a_job_is_read_from_its_message(
    dag_bag: object, message: str, verdict: str, reason: str
) -> None:
    from ingot_glue import read_reason

    assert read_reason(message) == (verdict, reason)
