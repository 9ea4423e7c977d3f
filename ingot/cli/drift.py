"""`ingot contract diff` and `accept`: in what sources differ from their contracts, and taking it in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingot.cli.options import Json, Yes

if TYPE_CHECKING:
    from ingot.contract.evolve import Patch
    from ingot.evidence import Evidence, Judgement
    from ingot.manifest import Drift
    from ingot.sources import Source, Stream

Sources = Annotated[Path, typer.Option(help="The folder of the sources.")]
OfBatch = Annotated[str | None, typer.Option("--batch", metavar="ID", help="This batch, and not the newest.")]


def diff(
    stream: Annotated[str | None, typer.Argument(metavar="SOURCE.STREAM", help="This stream only.")] = None,
    batch: OfBatch = None,
    sources: Sources = Path("sources"),
    json: Json = False,
) -> None:
    """In what each stream's newest batch differs from its contract, and the patch with which it would not.

    A batch that failed for its reject rate counts too: its refused records tell. Drift that the contracts in the
    folder have caught up with is not shown. Exit code 1 if there is drift, 0 if there is none.

    Example: ingot contract diff fakestore.products
    """
    from ingot.cli.output import show, show_json
    from ingot.warehouse.base import Table

    if batch is not None and stream is None:
        raise typer.BadParameter("--batch needs the stream: ingot contract diff SOURCE.STREAM --batch ID")
    found = []
    for source, one in _streams(sources, stream):
        evidence = _evidence(source, one, batch)
        if evidence is None:
            typer.echo(f"{source.name}.{one.name}: there is no batch to look at yet.", err=True)
        elif evidence.drift:
            found.append((source, one, evidence, _propose(sources, source, one, evidence, evidence.drift)))
    drift = [
        {"stream": f"{source.name}.{one.name}", **_fields(each), "batch": evidence.batch.id}
        for source, one, evidence, _ in found
        for each in evidence.drift
    ]
    if json:
        patches = [_patch_fields(sources, source, one, patch) for source, one, _, patch in found]
        show_json({"drift": drift, "patches": patches})
    elif not found:
        typer.echo("No drift.")
    else:
        rows: list[tuple[Any, ...]] = []
        for d in drift:
            change = f"{d['old'] or '-'} → {d['new'] or '-'}"
            rows.append((d["stream"], d["kind"], d["path"], change, d["count"], d["example"], d["batch"]))
        show(Table(["stream", "kind", "path", "old → new", "count", "example", "batch"], rows), json=False)
        for source, one, evidence, patch in found:
            _print_patch(sources, source, one, patch)
            if patch.accepted:
                _print_judgement(evidence, _judge(evidence, patch))
                typer.echo(f"To take it: ingot contract accept {source.name}.{one.name}\n")
    raise typer.Exit(1 if found else 0)


def accept(
    stream: Annotated[str, typer.Argument(metavar="SOURCE.STREAM", help="Whose contract.")],
    path: Annotated[
        list[str] | None, typer.Option(help="Only this field, as `diff` names it; may be repeated.")
    ] = None,
    batch: OfBatch = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the patch, and write nothing.")] = False,
    yes: Yes = False,
    sources: Sources = Path("sources"),
    dbt: Annotated[Path, typer.Option(help="The dbt project.")] = Path("dbt"),
    docs: Annotated[Path, typer.Option(help="The folder of the documentation.")] = Path("docs"),
) -> None:
    """Write the patch that `diff` shows into the contract, with its next version, and all that is generated from it.

    Comments and order of the file stay. New fields are optional; their descriptions have to be written, and their
    classification (internal, or what their names tell) to be looked at. Exit code 1 if nothing could be accepted,
    or at "no".

    Example: ingot contract accept fakestore.products --path '$.discount'
    """
    from ingot.contract.generated import write

    ((source, one),) = _streams(sources, stream)
    evidence = _evidence(source, one, batch)
    drift = evidence.drift if evidence is not None else ()
    if unknown := set(path or ()) - {each.path for each in drift}:
        raise typer.BadParameter(f"no drift at {', '.join(sorted(unknown))}; see: ingot contract diff {stream}")
    if evidence is None or not drift:
        typer.echo("No drift: there is nothing to accept.")
        return
    chosen = tuple(each for each in drift if not path or each.path in path)
    patch = _propose(sources, source, one, evidence, chosen)
    _print_patch(sources, source, one, patch)
    if not patch.accepted:
        raise typer.Exit(1)
    _print_judgement(evidence, _judge(evidence, patch))
    _try_out(sources, source, one, patch)
    if dry_run:
        return
    if not yes:
        typer.confirm(f"Write {_file(sources, source, one)}?", abort=True, err=True)
    _file(sources, source, one).write_text(patch.after, encoding="utf-8")
    typer.echo(f"wrote {_file(sources, source, one)}")
    for file in write(sources, dbt, docs):
        typer.echo(f"wrote {file}")
    for line in _next_steps(evidence, patch):
        typer.echo(line)


def _streams(sources: Path, only: str | None) -> list[tuple[Source, Stream]]:
    from ingot.sources import load_sources

    every = {
        f"{source.name}.{stream.name}": (source, stream)
        for source in load_sources(sources).values()
        for stream in source.streams.values()
    }
    if only is not None and only not in every:
        raise typer.BadParameter(f"there is no stream {only!r}; there are: {', '.join(every) or 'none'}")
    return [found for name, found in every.items() if only in (None, name)]


def _evidence(source: Source, stream: Stream, batch: str | None) -> Evidence | None:
    from ingot.cli import context
    from ingot.evidence import newest

    return newest(context.bronze(context.names()), source.name, stream.contract, batch)


def _propose(sources: Path, source: Source, stream: Stream, evidence: Evidence, drift: tuple[Drift, ...]) -> Patch:
    from ingot.contract.evolve import propose

    file = _file(sources, source, stream)
    return propose(
        file.read_text(encoding="utf-8"),
        origin=str(file),
        drift=drift,
        shapes=evidence.shapes(drift),
        batch_id=evidence.batch.id,
        fixed=frozenset({stream.cursor.field} if stream.cursor else ()),
    )


def _judge(evidence: Evidence, patch: Patch) -> Judgement:
    from ingot.contract import load_contract

    return evidence.judged_by(load_contract(patch.after, origin="the patched contract"))


def _try_out(sources: Path, source: Source, stream: Stream, patch: Patch) -> None:
    """Read the source with the patched contract, before anything is written; it raises what is wrong with it."""
    import shutil
    import tempfile

    from ingot.sources import load_source

    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / source.name
        shutil.copytree(sources / source.name, trial)
        _file(Path(folder), source, stream).write_text(patch.after, encoding="utf-8")
        load_source(trial)


def _print_patch(sources: Path, source: Source, stream: Stream, patch: Patch) -> None:
    file = _file(sources, source, stream)
    if patch.accepted:
        typer.echo(patch.diff(str(file)))
        for change in patch.changes:
            typer.echo(f"{change.kind}: {change.path}: {change.what}: {change.why}")
    for where, reason in patch.unchanged:
        typer.echo(f"not proposed: {where}: {reason}")


def _print_judgement(evidence: Evidence, judgement: Judgement) -> None:
    total = judgement.passed + judgement.refused
    typer.echo(
        f"With this patch {judgement.passed} of the {total} stored records of {evidence.batch.id} pass the gate."
    )
    for reason, count in judgement.reasons.items():
        typer.echo(f"still refused: {count} for {reason}")


def _next_steps(evidence: Evidence, patch: Patch) -> Iterator[str]:
    yield "Next:"
    yield "- write the descriptions that are marked so, and look at each new field's classification"
    yield "- commit, and deploy: jobs read the deployed contracts"
    if evidence.manifest is None:
        yield f"- run the interval of {evidence.batch.id} again: nothing of it was published"
    elif evidence.manifest.rejects is not None:
        source, stream = evidence.batch.source, evidence.batch.stream
        yield f"- send what was refused through again: ingot quarantine replay --source {source} --stream {stream}"
    yield "- load a batch before dbt runs: that adds the columns; older rows have null there"
    if any(change.what.startswith("type ") for change in patch.changes):
        yield "- the table has the old type: the next load says how to change it, or: ingot rebuild"


def _file(sources: Path, source: Source, stream: Stream) -> Path:
    return sources / source.name / f"{stream.name}.odcs.yaml"


def _fields(drift: Drift) -> dict[str, Any]:
    return {name: getattr(drift, name) for name in drift.__struct_fields__}


def _patch_fields(sources: Path, source: Source, stream: Stream, patch: Patch) -> dict[str, Any]:
    file = _file(sources, source, stream)
    return {
        "stream": f"{source.name}.{stream.name}",
        "file": str(file),
        "version": patch.version,
        "diff": patch.diff(str(file)),
        "accepted": [{"path": where, "what": what} for where, what in patch.accepted],
        "changes": patch.changes,
        "not_proposed": [{"path": where, "why": why} for where, why in patch.unchanged],
    }
