"""The drawing of the graph, the columns that are hidden, and contracts as HTML."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from ingot.console.drawing import draw, roles_of
from ingot.console.masked import MASKED
from ingot.console.pages.contracts import rendered
from ingot.console.queries.refused import Filter, literal
from ingot.console.queries.tables import choices, hidden_columns, origins, without_hidden
from ingot.contract.page import contract_page
from ingot.explain import Row, Rows
from ingot.explain.walk import Node
from ingot.lineage import Field, Graph, Input, declared
from ingot.lineage.graph import Model
from ingot.naming import Names
from ingot.sources import load_sources
from ingot.warehouse import Endpoint
from ingot.warehouse.base import Table

SOURCES = load_sources(Path(__file__).resolve().parents[3] / "sources")
USERS = Model(
    "silver.users",
    "One row per user.",
    (Field("user_id"), Field("mail"), Field("_load_id")),
    ("bronze.fakestore_users",),
    {
        "user_id": (Input("bronze.fakestore_users", "id"),),
        "mail": (Input("bronze.fakestore_users", "email", "computed"),),
    },
)
NAMES = Names(environment="test", account="000000000000", region="us-east-1")
GRAPH: Graph = declared(SOURCES.values(), [USERS], NAMES, Endpoint("postgres", "h", 5432, "u", "p", "ingot"))


def test_every_table_stands_once_and_every_line_leads_to_a_later_layer() -> None:
    drawing = draw(GRAPH, {})
    assert sorted(box.dataset.id for box in drawing.boxes) == sorted(GRAPH.datasets)
    assert len({(box.x, box.y) for box in drawing.boxes}) == len(drawing.boxes)
    assert all(box.x + drawing.box_width <= drawing.width for box in drawing.boxes)
    assert all(box.y + drawing.box_height <= drawing.height for box in drawing.boxes)
    ends = [list(map(int, re.findall(r"-?\d+", line.path))) for line in drawing.lines]
    assert len(ends) == len(GRAPH.edges)
    assert all(start[0] < start[-2] for start in ends)


def test_a_line_that_goes_on_over_a_layer_runs_level_between_its_tables() -> None:
    drawing = draw(GRAPH, {})
    level = [
        (int(x), int(y))
        for line in drawing.lines
        for x, y in re.findall(r"(-?\d+) (-?\d+)H", line.path)  # where a bend begins
    ]
    assert level
    boxes = {(box.x, y) for box in drawing.boxes for y in range(box.y, box.y + drawing.box_height + 1)}
    assert not boxes & set(level)
    assert len(set(level)) == len(level)


def test_what_a_table_is_made_of_and_what_is_made_of_it_stand_out() -> None:
    roles = roles_of(GRAPH, "lake.fakestore_users")
    assert {id for id, role in roles.items() if role == "upstream"} == {
        "source.fakestore_users",
        "data.fakestore_users",
    }
    assert {id for id, role in roles.items() if role == "downstream"} == {"bronze.fakestore_users", "silver.users"}
    lit = [line for line in draw(GRAPH, roles).lines if line.lit]
    assert len(lit) == 4


def test_a_column_leads_back_to_the_field_that_the_source_sends() -> None:
    found = {each.layer: each.columns for each in origins(GRAPH, "silver.users", "mail")}
    assert found["bronze"] == [("fakestore_users.email", "computed")]
    assert found["source"] == [("fakestore_users.email", "same")]


def test_what_is_made_of_personal_fields_is_masked_in_a_walk_at_every_depth() -> None:
    assert hidden_columns(GRAPH, "silver.users") == {"mail"}
    inner = Rows("silver.users", "", 1, [Row({"user_id": 3}, {"mail": "a@b.c", "_load_id": 1}, [], None)])
    outer = Rows("gold.unknown", "", 1, [Row({"k": 1}, {"n": 2}, [inner], None)])
    shown = without_hidden(outer, GRAPH)
    assert shown.rows[0].made_of[0].rows[0].values == {"mail": MASKED, "_load_id": 1}
    assert "a@b.c" not in repr(shown)
    # Of a table that is in no graph, nobody can say what may be shown.
    assert (shown.rows[0].key, shown.rows[0].values) == ({"k": MASKED}, {"n": MASKED})


def test_rows_are_not_listed_by_keys_that_are_not_to_be_shown() -> None:
    class Asked:
        def query(self, sql: str, *, limit: int | None = None) -> Table:
            return Table(["user_id"], [(3,)])

    listed = choices(Asked(), GRAPH, Node("silver.users", ("user_id",)))
    assert ([row.key for row in listed.rows], listed.withheld) == ([["3"]], False)
    for table, key in (("silver.users", "mail"), ("gold.unknown", "id")):
        found = choices(Asked(), GRAPH, Node(table, (key,)))
        assert (found.rows, found.withheld) == ([], True)


def test_a_contract_page_is_html_of_ours_and_what_others_wrote_is_text() -> None:
    source = SOURCES["fakestore"]
    stream = source.stream("products")
    wrong = '<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror="alert(1)">'
    contract = msgspec.structs.replace(stream.contract, description=wrong)
    html = str(rendered(contract_page(source, msgspec.structs.replace(stream, contract=contract))))
    assert "&lt;script&gt;alert(1)" in html
    assert not re.search(r"<(script|img|iframe)|href=\"javascript", html)
    assert html.count("<table>") == 4
    assert "Generated from" not in html


def test_what_a_filter_says_stays_in_its_literal() -> None:
    assert literal("it's \\' OR 1=1 --") == "'it''s ' || chr(92) || ''' OR 1=1 --'"
    assert literal("a\x00b") == "'a'"
    path = Filter(path="$.a_b[].c%'").conditions
    assert "path LIKE '$.a!_b[%].c!%''' ESCAPE '!'" in path
