"""The list of commands. What they do is imported when it is needed, so that `--help` is quick.

Exit codes, of every command: 0, all is well; 1, it failed, or there is something that needs attention (the
command's help says what); 2, the call is wrong; 130, a person stopped it.
"""

from __future__ import annotations

import sys

import typer

from ingot.cli import ask, explain, intervals, land, lineage, rebuild, transform, ui
from ingot.cli.contracts import contract
from ingot.cli.cost import cost
from ingot.cli.quarantine import quarantine
from ingot.cli.source import source
from ingot.cli.stream import stream
from ingot.errors import IngotError

app = typer.Typer(
    help="Ingot: data from sources, checked, traceable and refined.", no_args_is_help=True, add_completion=False
)
app.command()(ask.sql)
app.command()(ask.batches)
app.command()(ask.status)
app.command()(explain.explain)
app.command()(lineage.lineage)
app.command()(land.land)
app.command()(intervals.gaps)
app.command()(intervals.backfill)
app.add_typer(quarantine, name="quarantine")
app.add_typer(stream, name="stream")
app.command()(transform.transform)
app.command()(rebuild.rebuild)
app.add_typer(contract, name="contract")
app.add_typer(source, name="source")
app.add_typer(cost, name="cost")
app.command()(ui.ui)
app.command()(ask.version)


def main() -> None:
    """Run, and turn our own errors into one line and an exit code."""
    try:
        app()
    except IngotError as error:
        from rich.console import Console
        from rich.markup import escape

        line = f"[bold red]{type(error).__name__}[/] {escape(str(error))}"
        Console(stderr=True, highlight=False).print(line, soft_wrap=True)
        sys.exit(1)
