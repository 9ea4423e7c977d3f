"""Lineage: the declared graph, what is read from the SQL of models, and events that the public schema knows."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from ingot.errors import ConfigurationError, SourceUnavailable
from ingot.lineage import Graph, declared, read_graph
from ingot.lineage.events import Event, Flow, Job, Side, job_event, parent_of
from ingot.lineage.flows import extracting, loading, rebuilding, refining, replaying
from ingot.lineage.models import read_manifest
from ingot.lineage.report import Report, reported, run_report
from ingot.lineage.transport import choose
from ingot.naming import Names
from ingot.sources import Source, load_sources
from ingot.warehouse import Endpoint
from tests.openlineage.validator import documents, facets, problems

ROOT = Path(__file__).resolve().parents[3]
NAMES = Names(environment="test", account="000000000000", region="us-east-1")
ENDPOINT = Endpoint("postgres", "db", 5432, "ingot", "secret-word", "ingot")
RUN = "6f2cb1a5-3f1e-4b7e-8b1c-0a5d1c6f8e01"


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    return load_sources(ROOT / "sources")


@pytest.fixture(scope="module")
def graph(sources: dict[str, Source]) -> Graph:
    return declared(sources.values(), read_manifest(json.dumps(manifest()).encode(), ROOT), NAMES, ENDPOINT)


def manifest(**sql: str) -> dict[str, Any]:
    """What dbt would write of a source and a few models, each read by the next."""
    queries = sql or {
        "stg_carts": "select id, user_id, products, _load_id from ingot.bronze.fakestore_carts",
        "lines": (
            "with c as (select * from ingot.staging.stg_carts), final as ("
            " select c.id as cart, coalesce(c.user_id, 0) as buyer, cast(e.item ->> 'quantity' as integer) as quantity,"
            " lag(c._load_id) over (partition by c.user_id order by c.id) as before"
            " from c, jsonb_array_elements(c.products) with ordinality as e (item, place))"
            " select * from final"
        ),
        "buyers": (
            "select buyer, sum(quantity) as units, count(*) as lines, 1 as one from ingot.silver.lines group by buyer"
        ),
    }
    schemas = {"stg_carts": "staging", "lines": "silver", "buyers": "gold"}
    nodes, before = {}, "source.carts"
    for name, query in queries.items():
        key = f"model.{name}"
        nodes[key] = {
            "resource_type": "model",
            "database": "ingot",
            "schema": schemas.get(name, "gold"),
            "alias": name,
            "description": "One row.",
            "columns": {},
            "compiled_code": query,
            "depends_on": {"nodes": [before]},
        }
        before = key
    columns: dict[str, Any] = {name: {} for name in ("id", "user_id", "products", "_load_id")}
    source = {"schema": "bronze", "identifier": "fakestore_carts", "columns": columns}
    return {"nodes": nodes, "sources": {"source.carts": source}}


def made_of(graph: Graph, table: str, column: str) -> list[tuple[str, str, str]]:
    return [(each.dataset, each.column, each.kind) for each in graph.columns.get(table, {}).get(column, ())]


def test_columns_are_followed_through_stars_arrays_windows_and_sums(graph: Graph) -> None:
    assert made_of(graph, "silver.lines", "cart") == [("staging.stg_carts", "id", "same")]
    assert made_of(graph, "silver.lines", "buyer") == [("staging.stg_carts", "user_id", "computed")]
    assert made_of(graph, "silver.lines", "quantity") == [("staging.stg_carts", "products", "computed")]
    assert made_of(graph, "silver.lines", "before") == [("staging.stg_carts", "_load_id", "aggregated")]
    assert made_of(graph, "gold.buyers", "units") == [("silver.lines", "quantity", "aggregated")]
    assert made_of(graph, "gold.buyers", "lines") == [("silver.lines", "*", "aggregated")]
    assert made_of(graph, "gold.buyers", "one") == []


def test_a_column_of_gold_leads_back_to_the_fields_of_the_source_and_forth_again(graph: Graph) -> None:
    back = graph.upstream("gold.buyers", "units")

    assert [*back.datasets] == [
        "source.fakestore_carts",
        "data.fakestore_carts",
        "lake.fakestore_carts",
        "bronze.fakestore_carts",
        "staging.stg_carts",
        "silver.lines",
        "gold.buyers",
    ]
    assert set(back.columns["data.fakestore_carts"]) == {"products[].productId", "products[].quantity"}
    assert "units" in graph.downstream("source.fakestore_carts", "products[].quantity").columns["gold.buyers"]
    assert "gold.buyers" not in graph.downstream("source.fakestore_carts", "date").datasets


def test_what_is_secret_is_in_nothing_behind_the_gate(graph: Graph) -> None:
    assert "password" in {field.name for field in graph.dataset("source.fakestore_users").fields}
    assert [*graph.downstream("source.fakestore_users", "password").datasets] == ["source.fakestore_users"]


def test_every_column_of_every_bronze_table_is_made_of_one_of_the_parquet(graph: Graph) -> None:
    for id, dataset in graph.datasets.items():
        if dataset.layer == "bronze":
            assert {field.name for field in dataset.fields} - set(graph.columns[id]) == {"_load_id"}


def test_what_is_not_there_is_named_with_what_to_do(graph: Graph, sources: dict[str, Source], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no dataset 'gold.no'.*gold\.buyers"):
        graph.upstream("gold.no")
    with pytest.raises(ConfigurationError, match=r"no column 'no'.*units"):
        graph.upstream("gold.buyers", "no")
    with pytest.raises(ConfigurationError, match="make manifest"):
        read_graph(sources.values(), tmp_path, NAMES, ENDPOINT)
    with pytest.raises(ConfigurationError, match=r"no SQL of gold\.x.*dbt compile"):
        read_manifest(json.dumps(manifest(x="")).encode(), ROOT)
    with pytest.raises(ConfigurationError, match=r"gold\.x cannot be followed"):
        read_manifest(json.dumps(manifest(x="select from where")).encode(), ROOT)


def test_events_of_all_sources_are_what_the_public_schema_says(sources: dict[str, Source], graph: Graph) -> None:
    events: list[Event] = []
    report = Report(events.append, Job("ingot-test", "job", "STEP"), RUN)
    known = {(each.name.namespace, each.name.name) for each in graph.datasets.values()}
    for source in sources.values():
        for stream in source.streams:
            for flow in (
                extracting(None, source, stream, NAMES.bronze_bucket),
                refining(None, source, stream, NAMES.bronze_bucket, NAMES.lake_bucket),
                loading(None, source, stream, NAMES.lake_bucket, ENDPOINT),
                replaying(None, source, stream, NAMES.bronze_bucket),
                rebuilding(source, NAMES.bronze_bucket, NAMES.lake_bucket, ENDPOINT),
            ):
                report.ending = lambda flow=flow: (flow, {})  # type: ignore[misc]
                report.end(None)
    for dataset in graph.datasets:
        made = graph.columns.get(dataset, {})
        flow = Flow(
            tuple(Side(graph.dataset(i)) for i in graph.inputs(dataset)), (Side(graph.dataset(dataset), made=made),)
        )
        events.append(job_event(Job("ingot-test", dataset), flow))

    read = [json.loads(json.dumps(event)) for event in events]
    assert [problem for event in read for problem in problems(event)] == []
    named = {(side["namespace"], side["name"]) for event in read for side in (*event["inputs"], *event["outputs"])}
    assert {name for name in named - known if not name[1].startswith("quarantine/")} == set()
    assert {url for event in read for _, f in facets(event) if (url := f["_schemaURL"].partition("#")[0])} <= {
        *documents()
    }
    assert "secret-word" not in json.dumps(read)


def test_the_schema_refuses_what_is_no_event() -> None:
    """Else the tests that ask it would say nothing."""
    event = job_event(Job("ingot-test", "job"), Flow())
    assert problems(event) == []
    for broken in (
        {**event, "schemaURL": "https://example.com/x"},
        {**event, "job": {"name": "job"}},
        {**event, "job": {**event["job"], "facets": {"jobType": {"_producer": "urn:x", "_schemaURL": "urn:x"}}}}
        | {"eventTime": 1},
    ):
        assert problems(broken) != []
    facet = {**event["job"]["facets"]["jobType"]}
    del facet["integration"]
    assert "integration" in problems({**event, "job": {**event["job"], "facets": {"jobType": facet}}})[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"airflow/dag.group.task/{RUN}", ("airflow", "dag.group.task", RUN)),
        (f"http://marquez/ns/dag.task/{RUN}", ("http://marquez/ns", "dag.task", RUN)),
        ("", None),
        ("no/parent", None),
    ],
)
def test_who_started_a_run_is_read_as_airflow_writes_it(text: str, expected: tuple[str, ...] | None) -> None:
    parent = parent_of(text)

    assert (parent and (parent.namespace, parent.job, parent.run_id)) == expected


def test_an_execution_with_a_name_gets_a_uuid_that_is_always_the_same() -> None:
    first, again, other = (parent_of(f"ingot-prod/machine/{name}") for name in ("mine", "mine", "another"))

    assert first == again != other


class Marquez(BaseHTTPRequestHandler):
    """Takes events as Marquez does."""

    taken: list[tuple[str, str | None, dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.taken.append((self.path, self.headers["Authorization"], body))
        self.send_response(201 if self.path == "/api/v1/lineage" else 404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def marquez() -> Iterator[tuple[str, list[Any]]]:
    Marquez.taken = []
    server = HTTPServer(("127.0.0.1", 0), Marquez)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", Marquez.taken
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("form", ["argument", "url", "config", "json"])
def test_events_are_posted_where_an_argument_or_the_standards_variables_say(
    marquez: tuple[str, list[Any]], form: str
) -> None:
    url, taken = marquez
    told, environment = {
        "argument": (url, {"OPENLINEAGE_API_KEY": "k"}),
        "url": ("", {"OPENLINEAGE_URL": url, "OPENLINEAGE_API_KEY": "k"}),
        "config": (
            "",
            {
                "OPENLINEAGE__TRANSPORT__TYPE": "http",
                "OPENLINEAGE__TRANSPORT__URL": url,
                "OPENLINEAGE__TRANSPORT__AUTH__APIKEY": "k",
            },
        ),
        "json": ("", {"OPENLINEAGE__TRANSPORT": json.dumps({"type": "http", "url": url, "auth": {"apiKey": "k"}})}),
    }[form]
    send = choose(told, environment)
    assert send is not None
    send(job_event(Job("ingot-test", "job"), Flow()))

    ((path, authorization, body),) = taken
    assert (path, authorization, body["job"]["name"]) == ("/api/v1/lineage", "Bearer k", "job")
    assert choose(told, {**environment, "OPENLINEAGE_DISABLED": "true"}) is None


@pytest.mark.parametrize("scheme", ["http", "pigeon"])
def test_who_refuses_events_is_named_without_the_password(
    marquez: tuple[str, list[Any]], scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = marquez[0].replace("http://", f"{scheme}://me:s3kret@") + "/elsewhere"
    with reported(run_report("job", told=address, namespace="ns", parent="", run="")):
        pass

    said = capsys.readouterr().err
    assert ("127.0.0.1 answered 404" if scheme == "http" else "'pigeon:…'") in said
    assert "s3kret" not in said


def test_a_file_an_event_or_one_for_all(tmp_path: Path) -> None:
    event = job_event(Job("ingot-test", "job"), Flow())
    for environment in (
        {"OPENLINEAGE__TRANSPORT__TYPE": "file", "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH": f"{tmp_path}/each/event"},
        {
            "OPENLINEAGE__TRANSPORT__TYPE": "file",
            "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH": f"{tmp_path}/all.ndjson",
            "OPENLINEAGE__TRANSPORT__APPEND": "true",
        },
    ):
        send = choose("", environment)
        assert send is not None
        send(event)
        send(event)

    files = [json.loads(file.read_text()) for file in (tmp_path / "each").iterdir()]
    lines = [json.loads(line) for line in (tmp_path / "all.ndjson").read_text().splitlines()]
    assert files == lines == [event, event]


def test_datazone_takes_runs_and_is_not_sent_what_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []

    class DataZone:
        def post_lineage_event(self, **given: Any) -> None:
            sent.append(given)

    monkeypatch.setattr(boto3, "client", lambda name, **_: {"datazone": DataZone()}[name])
    send = choose("datazone:dzd_1", {})
    assert send is not None
    send(job_event(Job("ingot-test", "job"), Flow()))
    Report(send, Job("ingot-test", "job"), RUN).begin()

    (event,) = sent
    assert (event["domainIdentifier"], json.loads(event["event"])["eventType"]) == ("dzd_1", "START")


@pytest.mark.parametrize("told", ["", "http://127.0.0.1:9", "pigeon:post", "file:/proc/no/such/event"])
def test_a_run_ends_as_it_does_whatever_becomes_of_its_lineage(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> None:
        with reported(run_report("job", told=told, namespace="ns", parent="", run="")) as report:
            report.ending = lambda: 1 / 0  # type: ignore[assignment,return-value]
            raise SourceUnavailable("the source is away")

    with pytest.raises(SourceUnavailable, match="away"):
        run()
    assert capsys.readouterr().err.count("lineage of this run is lost") == (1 if told else 0)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SourceUnavailable("the source is away"), "SourceUnavailable: the source is away"),
        (ValueError("john@example.com"), "ValueError: see the log of the run"),
    ],
)
def test_a_failure_says_why_and_quotes_no_record(error: Exception, message: str) -> None:
    events: list[Event] = []

    def run() -> None:
        with reported(Report(events.append, Job("ns", "job"), RUN)):
            raise error

    with pytest.raises(type(error)):
        run()
    start, fail = events
    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert fail["run"]["facets"]["errorMessage"]["message"] == message
    assert problems(fail) == []


def test_the_namespace_is_the_environments_or_the_standards_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_report("j", told="", namespace="ingot-prod", parent="", run="jr_1").job.namespace == "ingot-prod"
    monkeypatch.setitem(os.environ, "OPENLINEAGE_NAMESPACE", "ours")
    one, two = (run_report("j", told="", namespace="ingot-prod", parent="", run="jr_1") for _ in range(2))
    assert one.job.namespace == "ours"
    assert one.run_id == two.run_id
