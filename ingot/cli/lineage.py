"""`ingot lineage`: what a dataset or a column is made of, and what is made of it, as the project declares it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingot.cli.options import Json

if TYPE_CHECKING:
    from rich.tree import Tree

    from ingot.lineage import Graph

_HERE = Path("dbt")
_KINDS = {"same": "", "computed": " [dim](computed)[/]", "aggregated": " [dim](of many rows)[/]"}


def lineage(
    dataset: Annotated[
        str, typer.Argument(help="A table with its schema (gold.daily_sales), or another dataset's id.")
    ],
    column: Annotated[str | None, typer.Option(help="Of this column only.")] = None,
    downstream: Annotated[
        bool, typer.Option("--downstream", help="What is made of it, and not what it is made of.")
    ] = False,
    dbt: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="The dbt project; else ./dbt, or the deployed one."),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a table or a column is made of, back to the source; or, downstream, what is made of it.

    It is the declared lineage: contracts say it up to Bronze, the SQL of dbt's models from there on (`make manifest`).
    Of which records a row is made, `ingot explain` says. An unknown dataset is answered with the list of all.

    Example: ingot lineage gold.category_revenue --column revenue
    """
    from ingot.cli.context import deployed_sources, endpoint, names
    from ingot.cli.output import show_json
    from ingot.lineage import read_graph

    environment = names()
    project = dbt or (_HERE if _HERE.is_dir() else None)
    graph = read_graph(deployed_sources(environment), project, environment, endpoint())
    part = graph.downstream(dataset, column) if downstream else graph.upstream(dataset, column)
    if json:
        show_json(part)
    else:
        _show(part, dataset, column, downstream)


def _show(graph: Graph, dataset: str, column: str | None, downstream: bool) -> None:
    import sys

    from rich.console import Console
    from rich.tree import Tree

    # Without a terminal nothing is cut to a width that nobody chose.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    tree = Tree(_title(graph, dataset, column), guide_style="dim")
    _branches(tree, graph, dataset, column, downstream)
    console.print(tree)


def _branches(tree: Tree, graph: Graph, dataset: str, column: str | None, downstream: bool) -> None:
    for other, field, kind in _next(graph, dataset, column, downstream):
        branch = tree.add(_title(graph, other, field) + _KINDS[kind])
        _branches(branch, graph, other, field, downstream)


def _next(graph: Graph, dataset: str, column: str | None, downstream: bool) -> list[tuple[str, str | None, str]]:
    if column is None:
        others = graph.outputs(dataset) if downstream else graph.inputs(dataset)
        return [(other, None, "same") for other in others]
    if not downstream:
        inputs = graph.columns.get(dataset, {}).get(column, ())
        return [(each.dataset, each.column, each.kind) for each in inputs]
    return [
        (target, made, each.kind)
        for target, columns in graph.columns.items()
        for made, inputs in columns.items()
        for each in inputs
        if (each.dataset, each.column) == (dataset, column)
    ]


def _title(graph: Graph, dataset: str, column: str | None) -> str:
    from rich.markup import escape

    at = graph.dataset(dataset)
    where = (
        "" if at.layer in ("bronze", "staging", "silver", "gold") else f" [dim]{at.name.namespace} {at.name.name}[/]"
    )
    field = f" [cyan]{escape(column)}[/]" if column is not None else ""
    return f"[bold]{escape(dataset)}[/]{field}{where}"
