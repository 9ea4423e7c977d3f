"""`ingot rebuild`: the warehouse once more, from Bronze."""

from __future__ import annotations

from pathlib import Path

import typer

from ingot.cli.options import AtOnce, Json, OfSource, Yes
from ingot.cli.transform import Project


def rebuild(
    source: OfSource = None,
    concurrency: AtOnce = 2,
    yes: Yes = False,
    project: Project = Path("dbt"),
    json: Json = False,
) -> None:
    """Replace the warehouse's tables by new ones, with every committed batch from Bronze: the same rows as before.

    No source is asked. First each source's bronze tables and audit rows, by its job `rebuild`: new ones are filled
    beside the old ones and take their place at the end, so that one that fails changes nothing. Then all of silver and
    gold, by dbt: nobody can read these from the first to the end of the second. No run of a schedule should load
    meanwhile: pause the DAGs. Stopped in the middle, the same command does it all again. Exit code 1 if a job, a model
    or a test fails, or at "no".

    Example: ingot rebuild --yes
    """
    from ingot.cli import context, jobs
    from ingot.cli.output import show
    from ingot.cli.transform import build, dbt_command
    from ingot.warehouse.base import Table

    names = context.names()
    sources = [each.name for each in context.deployed_sources(names, source)]
    command, endpoint = dbt_command(project), context.endpoint()  # what is missing is said before anything is replaced
    if not yes:
        which = ", ".join(sources)
        typer.confirm(
            f"Replace what {names.environment} has loaded from {which}, by the same from Bronze?", abort=True, err=True
        )
    outcomes = jobs.run(
        [jobs.Chain(label=name, steps=[jobs.Step(job=names.job(name, "rebuild"), arguments={})]) for name in sources],
        at_once=concurrency,
    )
    rows: list[tuple[object, ...]] = [(each.label, each.reason is None, each.reason) for each in outcomes]
    if all(each.reason is None for each in outcomes):
        code = build(command, project, endpoint, ["--full-refresh"])
        rows.append(("silver and gold", code == 0, f"dbt ended with exit code {code}" if code else None))
    show(Table(["what", "rebuilt", "reason"], rows), json=json)
    raise typer.Exit(0 if all(done for _, done, _ in rows) else 1)
