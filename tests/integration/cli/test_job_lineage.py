"""The scripts of the jobs report what they did in OpenLineage: one graph by names, as it is declared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from ingot.batch import Batch, parse_time
from ingot.cli import jobs
from ingot.lineage import declared
from ingot.sources import load_sources
from tests.openlineage.validator import facets, problems

if TYPE_CHECKING:
    from conftest import Deployed

PARENT = "airflow/ingest_fakestore.carts.extract/6f2cb1a5-3f1e-4b7e-8b1c-0a5d1c6f8e01"
START, END = parse_time("2020-01-01"), parse_time("2020-02-01")


def reporting(deployed: Deployed, where: str) -> None:
    """Tell the jobs where lineage goes, as a deployment does: by a default argument."""
    glue = boto3.client("glue")
    for step in ("extract", "refine", "load", "rebuild"):
        name = deployed.names.job("fakestore", step)
        job = glue.get_job(JobName=name)["Job"]
        update = {key: job[key] for key in ("Role", "Command", "GlueVersion", "ExecutionProperty")}
        given = {**job["DefaultArguments"], "--lineage": where, "--lineage_parent": PARENT}
        glue.update_job(JobName=name, JobUpdate={**update, "DefaultArguments": given})


def run(deployed: Deployed, stream: str, *steps: str) -> list[str | None]:
    """Run steps of a batch; the reason of each that failed."""
    batch = Batch(source="fakestore", stream=stream, interval_start=START, interval_end=END)
    chain = jobs.Chain(label=stream, steps=[jobs.batch_step(deployed.names, batch, step, END) for step in steps])
    return [outcome.reason for outcome in jobs.run([chain])]


def read(folder: Path) -> list[dict[str, Any]]:
    events = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    return sorted(events, key=lambda event: event["eventTime"])


def named(sides: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(side["namespace"], side["name"]) for side in sides}


def test_the_steps_of_a_batch_are_one_graph_from_the_source_to_the_warehouse(
    deployed: Deployed, tmp_path: Path
) -> None:
    reporting(deployed, f"file:{tmp_path}/events/event")

    assert run(deployed, "carts", "extract", "refine", "load") == [None]

    events = read(tmp_path / "events")
    assert [problem for event in events for problem in problems(event)] == []
    told = [(event["job"]["name"], event["eventType"]) for event in events]
    assert told == [
        (f"fakestore.carts.{step}", state) for step in ("extract", "refine", "load") for state in ("START", "COMPLETE")
    ]
    assert {event["job"]["namespace"] for event in events} == {f"ingot-{deployed.names.environment}"}
    extract, refine, load = (event for event in events if event["eventType"] == "COMPLETE")
    # What one reads, the one before has written, and all of it is in the declared graph.
    assert named(extract["inputs"]) == {("https://fakestoreapi.com", "/carts")}
    assert named(refine["inputs"]) <= named(extract["outputs"])
    assert named(load["inputs"]) == named(refine["outputs"])
    graph = declared(load_sources(deployed.sources).values(), (), deployed.names, deployed.endpoint)
    known = {(each.name.namespace, each.name.name): each for each in graph.datasets.values()}
    (table,) = load["outputs"]
    assert known[table["namespace"], table["name"]].id == "bronze.fakestore_carts"
    (sent,) = deployed.rows("select count(*) as rows from bronze.fakestore_carts")
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == sent["rows"] > 0
    # Column by column, back to the source.
    back = "user_id"
    for event, field in ((load, "user_id"), (refine, "userId"), (extract, "userId")):
        written = next(side for side in event["outputs"] if "columnLineage" in side["facets"])
        (origin,) = written["facets"]["columnLineage"]["fields"][back]["inputFields"]
        assert origin["field"] == field
        assert (origin["namespace"], origin["name"]) in named(event["inputs"])
        back = field
    for event in events:
        assert event["run"]["facets"]["parent"]["run"]["runId"] == PARENT.rpartition("/")[2]
    batch = load["run"]["facets"]["ingot_batch"]
    body = boto3.client("s3").get_object(Bucket=deployed.names.bronze_bucket, Key=batch["manifestKey"])["Body"].read()
    assert json.loads(body)["batch_id"] == batch["batchId"]


def test_a_step_that_fails_says_so_with_its_reason_and_no_record(deployed: Deployed, tmp_path: Path) -> None:
    reporting(deployed, f"file:{tmp_path}/events/event")
    deployed.misbehave(path="/carts", status=404)

    assert run(deployed, "carts", "extract") != [None]

    start, fail = read(tmp_path / "events")
    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert start["run"]["runId"] == fail["run"]["runId"]
    assert problems(fail) == []
    assert "SourceRefused" in fail["run"]["facets"]["errorMessage"]["message"]
    assert named(fail["inputs"]) == {("https://fakestoreapi.com", "/carts")}
    assert not [name for name, _ in facets(fail) if name == "outputStatistics"]


def test_the_command_shows_what_a_column_is_made_of_and_what_is_made_of_it(deployed: Deployed, tmp_path: Path) -> None:
    project = tmp_path / "dbt"
    (project / "target").mkdir(parents=True)
    (project / "target/lineage.json").write_text(
        json.dumps(
            [
                {
                    "table": "gold.buyers",
                    "description": "One row per buyer.",
                    "fields": [{"name": "buyer"}],
                    "inputs": ["bronze.fakestore_carts"],
                    "columns": {"buyer": [{"dataset": "bronze.fakestore_carts", "column": "user_id", "kind": "same"}]},
                }
            ]
        )
    )

    back = deployed.ingot("lineage", "gold.buyers", "--column", "buyer", "--dbt", str(project))
    forth = deployed.ingot(
        "lineage", "source.fakestore_carts", "--column", "userId", "--downstream", "--json", "--dbt", str(project)
    )
    unknown = deployed.ingot("lineage", "gold.buyer", "--dbt", str(project))
    (project / "target/lineage.json").unlink()
    missing = deployed.ingot("lineage", "gold.buyers", "--dbt", str(project))

    ids = ["gold.buyers", "bronze.fakestore_carts", "lake.fakestore_carts", "data.fakestore_carts"]
    assert [line.strip("└─ ").split()[0] for line in back.out.splitlines()] == [*ids, "source.fakestore_carts"]
    assert "source.fakestore_carts userId https://fakestoreapi.com /carts" in back.out
    assert set(forth.json["datasets"]) == {*ids, "source.fakestore_carts"}
    assert (unknown.code, "gold.buyers" in unknown.err) == (1, True)
    assert (missing.code, "make manifest" in missing.err) == (1, True)


def test_events_in_s3_are_an_object_each_and_a_rebuild_has_its_own(deployed: Deployed) -> None:
    reporting(deployed, f"s3://{deployed.names.bronze_bucket}/lineage/fakestore")

    (done,) = jobs.run(
        [jobs.Chain(label="rebuild", steps=[jobs.Step(job=deployed.names.job("fakestore", "rebuild"), arguments={})])]
    )

    assert done.reason is None
    s3 = boto3.client("s3")
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=deployed.names.bronze_bucket, Prefix="lineage/")["Contents"]]
    events = [json.loads(s3.get_object(Bucket=deployed.names.bronze_bucket, Key=key)["Body"].read()) for key in keys]
    (end,) = (event for event in events if event["eventType"] == "COMPLETE")
    assert len(events) == 2
    assert [problem for event in events for problem in problems(event)] == []
    assert end["job"]["name"] == "fakestore.rebuild"
    assert {name.rpartition(".")[2] for _, name in named(end["outputs"])} >= {"fakestore_users", "fakestore_carts"}
