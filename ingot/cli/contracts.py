"""`ingot contract`: contracts, and what is compiled from them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

contract = typer.Typer(help="Contracts, and what is compiled from them.", no_args_is_help=True)

Sources = Annotated[Path, typer.Option(help="The folder of the sources.")]


class Form(StrEnum):
    """What a contract can be shown as; :data:`ingot.contract.forms.FORMS` has the same names."""

    arrow = "arrow"
    glue = "glue"
    ddl = "ddl"
    dbt = "dbt"
    dqdl = "dqdl"
    lf_tags = "lf-tags"
    odcs = "odcs"
    page = "page"


@contract.command("compile")
def compile_contracts(
    sources: Sources = Path("sources"),
    dbt: Annotated[Path, typer.Option(help="The dbt project.")] = Path("dbt"),
    docs: Annotated[Path, typer.Option(help="The folder of the documentation.")] = Path("docs"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if a file is stale.")] = False,
) -> None:
    """Write what is generated from the contracts: dbt's sources and staging models, and the contracts' pages.

    Example: ingot contract compile --check
    """
    from ingot.contract.generated import stale, write

    if check:
        files = stale(sources, dbt, docs)
        for file in files:
            typer.echo(f"{file} is not what the contracts say. Run: ingot contract compile", err=True)
        raise typer.Exit(1 if files else 0)
    for file in write(sources, dbt, docs):
        typer.echo(f"wrote {file}")


@contract.command("check")
def check_contracts(sources: Sources = Path("sources")) -> None:
    """Read every source and contract, and say what is wrong with the first that is.

    Example: ingot contract check
    """
    from ingot.sources import load_sources

    for source in load_sources(sources).values():
        for stream in source.streams.values():
            typer.echo(f"{source.name}.{stream.name}: version {stream.contract.version}, enforceable")


@contract.command("show")
def show_contract(
    stream: Annotated[str, typer.Argument(metavar="SOURCE.STREAM", help="Whose contract.")],
    form: Annotated[Form, typer.Option("--as", help="What it is compiled to.")] = Form.page,
    sources: Sources = Path("sources"),
) -> None:
    """Print what a contract is compiled to, in that form's own format.

    Example: ingot contract show fakestore.products --as dqdl
    """
    from ingot.contract.forms import FORMS
    from ingot.sources import load_source

    source_name, _, stream_name = stream.partition(".")
    source = load_source(sources / source_name)
    typer.echo(FORMS[form](source, source.stream(stream_name)), nl=False)
