"""What jobs, Airflow and dbt reported of the demo, each for itself, is one graph from the API to gold."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.openlineage.validator import problems

if TYPE_CHECKING:
    from conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PRICE = ("https://fakestoreapi.com", "/products", "price")
Place = tuple[str, str, str]


@pytest.fixture(scope="module")
def events(demo: Demo) -> list[dict[str, Any]]:
    return read(demo.home / "lineage")


def read(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]


def test_every_event_is_what_the_public_schema_says(events: list[dict[str, Any]]) -> None:
    producers = {event["producer"].partition("/blob")[0] for event in events}

    assert len(producers) >= 2, "jobs' own, and Airflow's"
    assert {problem for event in events for problem in problems(event)} == set()


def test_a_column_of_gold_is_followed_over_events_of_dbt_and_jobs_to_the_field_of_the_api(
    events: list[dict[str, Any]],
) -> None:
    inputs: dict[Place, set[Place]] = defaultdict(set)
    for event in events:
        for output in event.get("outputs", ()):
            for column, made in output.get("facets", {}).get("columnLineage", {}).get("fields", {}).items():
                place = (output["namespace"], output["name"], column)
                inputs[place] |= {(i["namespace"], i["name"], i["field"]) for i in made["inputFields"]}
    (revenue,) = (place for place in inputs if place[1:] == ("ingot.gold.category_revenue", "revenue"))

    reached, rest = {revenue}, [revenue]
    while rest:
        new = inputs[rest.pop()] - reached
        reached |= new
        rest += new

    assert PRICE in reached
    assert not {place for place in reached if place[2] in ("email", "password")}


def test_what_load_wrote_is_what_staging_read_and_no_table_is_made_of_itself(events: list[dict[str, Any]]) -> None:
    def named(event: dict[str, Any], side: str) -> set[tuple[str, str]]:
        return {(each["namespace"], each["name"]) for each in event.get(side, ())}

    ended = [event for event in events if event["eventType"] == "COMPLETE"]
    loaded = {name for e in ended if e["job"]["name"].endswith(".load") for name in named(e, "outputs")}
    staging = [e for e in ended if ".stg_fakestore__" in e["job"]["name"]]

    assert len(staging) >= 3
    for event in staging:
        assert named(event, "inputs") <= loaded
    for event in ended:
        assert not named(event, "inputs") & named(event, "outputs"), event["job"]["name"]


def test_a_jobs_run_is_a_part_of_its_tasks_run(events: list[dict[str, Any]]) -> None:
    tasks = {e["run"]["runId"]: e["job"]["name"] for e in events if e["job"]["name"].startswith("ingest_")}
    steps = [e for e in events if e["job"]["name"].endswith((".extract", ".refine", ".load")) and "ingot_batch" in
             e["run"]["facets"]]  # fmt: skip
    parts = [event for event in steps if "parent" in event["run"]["facets"]]  # others no Airflow started

    for event in parts:
        name = event["job"]["name"]
        source, _, rest = name.partition(".")
        assert tasks[event["run"]["facets"]["parent"]["run"]["runId"]] == f"ingest_{source}.{rest}"
    assert {e["job"]["name"] for e in parts} == {e["job"]["name"] for e in steps}
    assert {e["run"]["facets"]["parent"]["run"]["runId"] for e in parts} >= {
        run for run, task in tasks.items() if task.endswith((".extract", ".refine", ".load")) and run in _ended(events)
    }


def _ended(events: list[dict[str, Any]]) -> set[str]:
    """The runs that came to a good end."""
    return {event["run"]["runId"] for event in events if event["eventType"] == "COMPLETE"}


def test_no_value_of_a_record_is_in_an_event(demo: Demo, events: list[dict[str, Any]]) -> None:
    text = json.dumps(events)

    emails = [row["email"] for row in demo.rows("select email from bronze.fakestore_users")]
    assert len(emails) == 10
    assert not [email for email in emails if email in text]


def test_no_sql_is_in_an_event(events: list[dict[str, Any]]) -> None:
    """What dbt compiled holds the salt of the masks."""
    assert not [event["job"]["name"] for event in events if "sql" in event["job"].get("facets", {})]
