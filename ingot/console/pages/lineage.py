"""Lineage: which table and column is made of which, and a row's way back to the request that brought it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Annotated, Any, cast

from fastapi import APIRouter, HTTPException, Query, Request, Response

from ingot.console.context import of
from ingot.console.drawing import TITLES, draw, roles_of
from ingot.console.pages.shared import deployed
from ingot.console.queries import tables
from ingot.console.web import address, page
from ingot.errors import ConfigurationError
from ingot.explain import Rows
from ingot.explain import explain as walk_back

router = APIRouter(prefix="/lineage")
_MOST = 100  # rows of each kind that a walk lists

Name = Annotated[str, Query(max_length=256)]


@router.get("")
def graph(request: Request, table: Name = "", column: Name = "") -> Response:
    """The graph of all tables, and what there is to say of the chosen one."""
    console, what = of(request), deployed(request)
    whole = what.graph()
    if table and table not in whole.datasets:
        raise HTTPException(404, f"There is no table {table[:80]}.")
    if column and not table:
        raise HTTPException(404, "A column is of a table: choose the table first.")
    if column and column not in {field.name for field in whole.dataset(table).fields}:
        raise HTTPException(404, f"{table} has no column {column[:80]}.")
    roles = roles_of(whole, table, column or None) if table else {}
    context: dict[str, Any] = {}
    if table:
        dataset, checks = whole.dataset(table), what.checks().get(table, [])
        fresh, count = console.warehouse.together(
            cast("Callable[[], Any]", lambda: tables.freshness(console.warehouse, whole, dataset)),
            lambda: tables.count(console.warehouse, dataset),
        )
        context = {
            "dataset": dataset,
            "inputs": [whole.dataset(id) for id in whole.inputs(table)],
            "outputs": [whole.dataset(id) for id in whole.outputs(table)],
            "freshness": fresh,
            "count": count,
            "columns": [
                (field, whole.columns.get(table, {}).get(field.name, ()), [c for c in checks if c.column == field.name])
                for field in dataset.fields
            ],
            "checks": [check for check in checks if not check.column],
            "origins": tables.origins(whole, table, column) if column else [],
            "explainable": table in tables.explainable(what.walk()),
        }
    return page(
        request,
        "lineage.html",
        title=table or "Lineage",
        table=table,
        column=column,
        titles=TITLES,
        drawing=draw(whole, roles),
        roles=roles,
        **context,
    )


@router.get("/rows")
def rows(
    request: Request, table: Name = "", number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1
) -> Response:
    """Rows of a table to explain, in the order of their keys."""
    console, what = of(request), deployed(request)
    every = tables.explainable(what.walk())
    table = table or every[0]
    if table not in every:
        raise HTTPException(404, f"There is no table {table[:80]} whose rows can be explained.")
    node = what.walk().node(table)
    wanted = {name: request.query_params.get(name, "")[:128] for name in node.key}
    found = tables.choices(console.warehouse, what.graph(), node, wanted=wanted, page=number)
    return page(
        request,
        "lineage_rows.html",
        title="Where does a row come from?",
        table=table,
        every=[(name, name) for name in every],
        found=found,
        wanted=wanted,
        number=number,
        links=[address("/lineage/rows", table=table, page=n, **wanted) for n in (number - 1, number + 1)],
    )


@router.get("/explain")
def explain(
    request: Request,
    table: Name,
    key: Annotated[list[str], Query(max_length=8)],
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 5,
) -> Response:
    """A row's way back: its rows below, the objects, the lines, the requests."""
    console, what = of(request), deployed(request)
    walk = what.walk()
    if table not in walk:
        raise HTTPException(404, f"There is no table {table[:80]} whose rows can be explained.")
    columns = walk.node(table).key
    if len(key) != len(columns):
        raise HTTPException(400, f"The key of {table} has {len(columns)} columns: {', '.join(columns)}.")
    where = dict(zip(columns, key, strict=True))
    try:
        found = walk_back(table, where, walk=walk, warehouse=console.warehouse, bronze=console.bronze, limit=limit)
    except ConfigurationError as error:
        raise HTTPException(404, f"{error.message} {error.hint}") from error
    return page(
        request,
        "lineage_explain.html",
        title="Where this row comes from",
        table=table,
        key=where,
        found=tables.without_hidden(found, what.graph()),
        limit=limit,
        more=_is_cut(found) and limit < _MOST,
        most=_MOST,
        same=address("/lineage/explain", table=table, key=key, limit=_MOST),
        command=" ".join(["ingot explain", table, *map(shlex.quote, key)]),
    )


def _is_cut(found: Rows) -> bool:
    return found.total > len(found.rows) or any(_is_cut(rows) for row in found.rows for rows in row.made_of)
