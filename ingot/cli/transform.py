"""`ingot transform`: dbt on the warehouse of the environment, with no password on a command line or in a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingot.cli.options import Json

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint

_NOTHING_IS_AN_ERROR = '{"error": ["NoNodesForSelectionCriteria"]}'
"""Of a name that no model has dbt warns only, builds nothing and ends well."""

Project = Annotated[Path, typer.Option("--dbt", help="The dbt project.")]


def transform(
    full_refresh: Annotated[bool, typer.Option("--full-refresh", help="Build every table anew.")] = False,
    select: Annotated[str | None, typer.Option(help="dbt's own: these models only.")] = None,
    project: Project = Path("dbt"),
    json: Json = False,
) -> None:
    """Build silver and gold from what is loaded, with the tests of each model: what the DAG `transform` does.

    dbt is the one that DBT_EXECUTABLE names, else `dbt` on the PATH; where the warehouse is, the environment's secret
    says. Exit code 1 if a model or a test fails, or if nothing is called as --select says.

    Example: ingot transform --full-refresh
    """
    from ingot.cli import context
    from ingot.cli.output import show_json

    endpoint = context.endpoint()  # first, as it also reads which dbt there is from a checkout's `.ingot/env`
    options = [*(["--select", select] if select else []), *(["--full-refresh"] if full_refresh else [])]
    code = build(dbt_command(project), project, endpoint, options)
    if json:
        show_json({"succeeded": code == 0, "dbt_exit_code": code})
    raise typer.Exit(1 if code else 0)


def dbt_command(project: Path) -> str:
    """The dbt to call.

    Raises:
        ConfigurationError: there is none, or no project.
    """
    from ingot.errors import ConfigurationError

    found = shutil.which(os.environ.get("DBT_EXECUTABLE") or "dbt")
    if found is None:
        raise ConfigurationError(
            f"There is no dbt: {os.environ.get('DBT_EXECUTABLE') or 'none on the PATH'}.",
            hint="set DBT_EXECUTABLE to the dbt of an environment with dbt-postgres, e.g. .venv-dbt/bin/dbt",
        )
    if not (project / "dbt_project.yml").is_file():
        raise ConfigurationError(
            f"{project} is no dbt project.", hint="call it from the root of a checkout, or name one with --dbt"
        )
    return found


def build(command: str, project: Path, endpoint: Endpoint, options: list[str]) -> int:
    """Run `dbt build`; what it prints goes to stderr. Its exit code: 0, 1 (a model or test failed) or 2 (all else).

    Two at once in one warehouse take turns.

    Raises:
        WarehouseUnavailable: it does not answer.
    """
    from ingot.warehouse import load_warehouse

    def waiting() -> None:
        typer.echo("Another dbt builds in this warehouse: this one waits for its end.", err=True)

    variables = {
        "INGOT_WAREHOUSE_HOST": endpoint.host,
        "INGOT_WAREHOUSE_PORT": str(endpoint.port),
        "INGOT_WAREHOUSE_USER": endpoint.username,
        "INGOT_WAREHOUSE_PASSWORD": endpoint.password,
        "INGOT_WAREHOUSE_DBNAME": endpoint.dbname,
    }
    folder, target = str(project.resolve()), _target(endpoint)
    # Beside the project dbt would leave its target, which is deployed.
    with load_warehouse(endpoint).turn(waiting), tempfile.TemporaryDirectory(prefix="ingot-dbt-") as scratch:
        environment = {**os.environ, **variables}
        parsed = Path(folder, "parsed.py")
        if parsed.is_file() and target == "postgres":  # for which it was parsed
            subprocess.run([sys.executable, str(parsed), scratch], env=environment, stdout=sys.stderr, check=False)
        done = subprocess.run(
            [
                command, "build", "--project-dir", folder, "--profiles-dir", folder, "--target", target,
                "--target-path", scratch, "--log-path", scratch, "--exclude-resource-type", "unit_test",
                "--warn-error-options", _NOTHING_IS_AN_ERROR, *options,
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=False,
        )  # fmt: skip
        metrics = Path(folder, "run_metrics.py")
        if metrics.is_file():
            subprocess.run([sys.executable, str(metrics), scratch], stdout=sys.stderr, check=False)
        return done.returncode


def _target(endpoint: Endpoint) -> str:
    return "redshift" if endpoint.engine.startswith("redshift") else "postgres"
