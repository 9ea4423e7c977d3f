"""`ingot land`: files to where a stream takes what lands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from ingot.cli.options import Json

if TYPE_CHECKING:
    from ingot.gate import Refusal
    from ingot.naming import Names
    from ingot.sources import Source, Stream
    from ingot.storage import ObjectStore

_FIRST = 10_000  # records that are looked at before a file is put
_SHOWN = 10  # violations of a file that a person is shown


def land(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files, folders with all files in them, or - for stdin.")
    ],
    source: Annotated[str, typer.Option(help="Whose they are.")],
    stream: Annotated[str | None, typer.Option(help="Its stream, if more than one takes files.")] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="What it is called where it lands, and not as it is here."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what would be refused, of all records, and put nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it also where another file of its name lies.")
    ] = False,
    json: Json = False,
) -> None:
    """Put files where a source takes what lands; its next batch reads them.

    The first records of each are held to the contract before: what would be refused is said, with line and column, and
    goes to the quarantine with the batch. A file of which nothing would be accepted is not put. Nor is one whose very
    content was taken before, under whatever name: it counts once. Another file of the same name is not overwritten
    without --replace.

    LANDED: it lies there now. KNOWN: it lay there, or was taken, before. FINE: --check found nothing. FAILED: it was
    not put or, with --check, something of it would be refused; the exit code is 1.

    Example: ingot land prices/march.csv --source suppliers
    """
    from ingot.cli import context
    from ingot.cli.output import show, show_json
    from ingot.warehouse.base import Table

    names = context.names()
    of, one = _landed_stream(names, source, stream)
    found = list(_files(files))
    if name is not None and len(found) != 1:
        raise typer.BadParameter(f"one name cannot be that of {len(found)} files", param_hint="--name")
    bronze = context.bronze(names)
    results = []
    for path, called in found:
        with _opened(path) as content:
            done = _one(one, name or called, content, bronze, check=check, replace=replace)
        results.append(done)
        _warn(path, done)
    if json:
        show_json([asdict(each) for each in results])
    else:
        columns = ["file", "state", "object", "bytes", "records", "refused", "reason"]
        rows = [(r.file, r.state, r.object, r.bytes, r.records, r.refused, r.reason) for r in results]
        show(Table(columns, rows), json=False)
    if any(each.state == "LANDED" for each in results):
        typer.echo(_next_step(of, one, bronze), err=True)
    raise typer.Exit(1 if any(each.state == "FAILED" for each in results) else 0)


@dataclass(frozen=True)
class _Violation:
    record: int
    part: str
    line: int | None
    column: str | None
    rule: str
    path: str
    reason: str


@dataclass(frozen=True)
class _Result:
    """What became of a file, as `--json` prints it; `records` were looked at, and `whole` says whether they are all."""

    file: str
    state: str
    object: str
    bytes: int
    records: int
    whole: bool
    refused: int
    reason: str | None
    violations: list[_Violation] = field(default_factory=list)


def _landed_stream(names: Names, source: str, stream: str | None) -> tuple[Source, Stream]:
    from ingot.cli import context

    chosen = [(of, one) for of, one in context.chosen_streams(names, source, stream) if stream or one.mode == "landed"]
    if not chosen:
        raise typer.BadParameter(f"{source} takes nothing that lands", param_hint="--source")
    if len(chosen) > 1:
        streams = ", ".join(one.name for _, one in chosen)
        raise typer.BadParameter(f"{source} takes files in several streams: {streams}", param_hint="--stream")
    of, one = chosen[0]
    if one.mode != "landed":
        raise typer.BadParameter(f"{one.name} takes nothing that lands: its mode is {one.mode}", param_hint="--stream")
    return of, one


def _files(given: list[str]) -> Iterator[tuple[str, str]]:
    """Each file to open, and its own name: below a folder with the way to it; what no batch would take is left out."""
    from ingot.fetch.landed import is_unfinished

    for each in given:
        path = Path(each)
        if each == "-":
            yield each, ""
        elif path.is_dir():
            below = sorted(file for file in path.rglob("*") if file.is_file() and not is_unfinished(file.name))
            if not below:
                raise typer.BadParameter(f"there is no file in {each}")
            for file in below:
                yield str(file), file.relative_to(path).as_posix()
        elif path.is_file():
            yield each, path.name
        else:
            raise typer.BadParameter(f"there is no file {each}")


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    from ingot.errors import ConfigurationError

    if path != "-":
        try:
            content = Path(path).open("rb")  # noqa: SIM115 - what fails while it is open is no matter of opening it
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be read: {error.strerror}.", hint="is it yours to read?"
            ) from error
        with content:
            yield content
        return
    from shutil import copyfileobj
    from tempfile import TemporaryFile

    with TemporaryFile() as spooled:
        copyfileobj(sys.stdin.buffer, spooled)
        yield spooled


def _one(stream: Stream, name: str, content: IO[bytes], bronze: ObjectStore, *, check: bool, replace: bool) -> _Result:
    from io import SEEK_END

    from ingot.errors import ConfigurationError
    from ingot.landing import land, landing_key, look

    if not name:
        raise typer.BadParameter("what comes from stdin needs one", param_hint="--name")
    size = content.seek(0, SEEK_END)
    try:
        key = landing_key(stream, name)
    except ConfigurationError as error:
        return _Result(name, "FAILED", "", size, 0, False, 0, str(error))
    looked = look(stream, key, content, bronze=bronze, most=None if check else _FIRST)

    def result(state: str, reason: str | None = None) -> _Result:
        violations = [each for refusal in looked.refused for each in _violations(refusal)]
        where = f"s3://{bronze.bucket}/{key}"
        return _Result(name, state, where, size, looked.records, looked.whole, len(looked.refused), reason, violations)

    if looked.taken_as is not None:
        taken = f"taken before, as {looked.taken_as.rpartition('/')[2]}"
        return result("KNOWN", taken)
    if not looked.records:
        return result("FAILED", "there is no record in it")
    if not looked.accepted:
        return result("FAILED", "no record of it would be accepted")
    if check:
        return result("FAILED", "see the violations") if looked.refused else result("FINE")
    match land(key, content, bronze=bronze, replace=replace):
        case "new":
            return result("LANDED")
        case "same":
            return result("KNOWN", "it lies there, and is not taken yet")
        case "other" if replace:
            return result("LANDED", "in place of another content")
    return result("FAILED", "another content lies there: give another --name, or --replace it")


def _violations(refusal: Refusal) -> Iterator[_Violation]:
    file = refusal.file
    for each in refusal.violations:
        yield _Violation(
            record=refusal.position + 1,
            part=file.part if file else "",
            line=file.line if file else None,
            column=file.columns.get(each.path) if file else None,
            rule=each.rule,
            path=each.path,
            reason=each.reason,
        )


def _warn(path: str, done: _Result) -> None:
    from ingot.cli.output import printable

    for each in done.violations[:_SHOWN]:
        where = ", ".join(
            part
            for part in (
                each.part,
                f"line {each.line}" if each.line is not None else f"record {each.record}",
                f"column {each.column}" if each.column else "",
            )
            if part
        )
        typer.echo(printable(f"{path}: {where}: {each.path} {each.rule}: {each.reason}"), err=True)
    if len(done.violations) > _SHOWN:
        typer.echo(f"{path}: … and {len(done.violations) - _SHOWN} more; --json has all.", err=True)
    if done.refused and done.state == "LANDED":
        typer.echo(f"{path}: {done.refused} of {done.records} records that were looked at will be refused.", err=True)


def _next_step(source: Source, stream: Stream, bronze: ObjectStore) -> str:
    from datetime import UTC, datetime, time

    from ingot.cli.jobs import iso
    from ingot.coverage import absent, committed
    from ingot.schedule import next_run

    now = datetime.now(UTC)
    due = f"The run of {next_run(source.schedule, now):%Y-%m-%d %H:%M} UTC takes it"
    start = datetime.combine(source.start_date, time(), UTC)
    missing = absent(source, stream, committed(bronze, stream), start, now)
    if not missing:
        return f"{due}."
    first, last = (iso(moment) for moment in missing[-1])
    return f"{due}; now: ingot backfill --source {source.name} --stream {stream.name} --from {first} --to {last}"
