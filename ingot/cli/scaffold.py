"""What `ingot source` asks, shows and writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import typer

from ingot.cli.output import printable, show_json
from ingot.contract.checks import is_stream_name
from ingot.contract.generated import stale
from ingot.discover import Draft, Wanted, draft
from ingot.discover.asking import AuthWanted
from ingot.discover.dry_run import DryRun
from ingot.discover.questions import Nobody
from ingot.discover.write import write as write_files
from ingot.errors import ConfigurationError, IngotError
from ingot.request import ApiKey, Auth, Basic, Bearer, OAuth2ClientCredentials
from ingot.sources import Source, load_source

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails

_KINDS = {"api_key": ApiKey, "bearer": Bearer, "basic": Basic, "oauth2_client_credentials": OAuth2ClientCredentials}
_CLASSES = ("public", "internal", "confidential", "personal", "secret")
_LONGEST = 100  # characters of a line of evidence on a terminal


class Terminal:
    """Asks the person, with what the sample showed."""

    def choose(self, what: str, choices: Sequence[tuple[str, str]], *, option: str, default: str | None) -> str:
        typer.echo(f"\n{what}", err=True)
        for choice, why in choices:
            typer.echo(f"  {printable(choice)}: {printable(why)}", err=True)
        if default is None and choices:
            default = choices[0][0]
        answer: str = typer.prompt(f"Answer ({option})", default=default, err=True)
        return answer.strip()


def hold_to_name(name: str, sources: Path, *, there: bool) -> None:
    """Refuse a name that cannot be a source's, or that one has.

    Args:
        there: it may be there.

    Raises:
        ConfigurationError: so it is.
    """
    if not is_stream_name(name):
        raise ConfigurationError(f"{name!r} cannot be a source's name.", hint="take small letters, digits and _")
    if (sources / name).exists() and not there:
        raise ConfigurationError(
            f"There is a source {name} already: {sources / name}.",
            source=name,
            hint="take another --name, --add for one more stream, or --force to write over its files",
        )


class Declared(NamedTuple):
    """A source that is there, and the text that says so."""

    source: Source
    text: str


def declared(name: str, sources: Path) -> Declared:
    """The source that gets one more stream.

    Raises:
        ConfigurationError: there is none of that name, or it is wrong.
    """
    return Declared(load_source(sources / name), (sources / name / "source.yaml").read_text(encoding="utf-8"))


def auth_of(text: str) -> Auth | None:
    """``api_key:header=X-Api-Key`` as it is declared; None for nothing.

    Raises:
        ConfigurationError: there is no such kind, or it lacks something.
    """
    if not text:
        return None
    kind, _, rest = text.partition(":")
    given = pairs([part for part in rest.split(",") if part], "=", "--auth KIND:NAME=VALUE,…")
    if kind not in _KINDS:
        raise ConfigurationError(f"There is no auth {kind!r}.", hint=f"choose one of {', '.join(_KINDS)}")
    try:
        how: Auth = msgspec.convert({"type": kind, **given}, Auth)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"--auth {kind} is not whole: {error}.", hint="see ingot source new --help") from error
    return how


def secret_for(how: Auth, *, ask: bool) -> Mapping[str, str]:
    """The values that go with it: from ``INGOT_SOURCE_SECRET``, or asked without being shown.

    Raises:
        ConfigurationError: there are none, and nobody may be asked.
    """
    fields = [getattr(how, name) for name in how.__struct_fields__ if name == "field" or name.endswith("_field")]
    try:
        given = msgspec.json.decode(os.environ.get("INGOT_SOURCE_SECRET") or "{}", type=dict[str, str])
    except msgspec.MsgspecError:
        raise ConfigurationError(
            "INGOT_SOURCE_SECRET is no JSON object of texts.", hint=f"give {_example(fields)}"
        ) from None
    missing = [field for field in fields if not given.get(field)]
    if missing and not ask:
        raise ConfigurationError(
            f"The source's credentials are not given: {', '.join(missing)}.",
            hint=f"put them into INGOT_SOURCE_SECRET: {_example(fields)}",
        )
    return given | {field: typer.prompt(f"The value of {field}", hide_input=True, err=True) for field in missing}


def pairs(texts: Iterable[str], between: str, form: str) -> Mapping[str, str]:
    """``NAME=VALUE`` texts as a mapping.

    Raises:
        ConfigurationError: one of them has no such form.
    """
    found = {}
    for text in texts:
        name, separator, value = text.partition(between)
        if not separator or not name.strip() or not value.strip():
            raise ConfigurationError(f"{text!r} is not what is expected.", hint=f"give {form}")
        found[name.strip()] = value.strip()
    return found


def drafted(wanted: Wanted, *, ask: bool) -> Draft:
    """The draft, with whatever has to be asked.

    Raises:
        IngotError: there is none.
    """
    import stamina.instrumentation

    stamina.instrumentation.set_on_retry_hooks([_tell_wait])
    for name, kind in wanted.classes.items():
        if kind not in _CLASSES:
            raise ConfigurationError(f"{name} cannot be {kind!r}.", hint=f"choose one of {', '.join(_CLASSES)}")
    questions = Terminal() if ask else Nobody()
    try:
        return draft(wanted, questions)
    except AuthWanted as error:
        if wanted.auth is not None or not ask:
            kinds = "api_key:header=NAME, api_key:query=NAME, bearer, basic or oauth2_client_credentials:token_url=URL"
            if wanted.auth is None:
                error.hint = f"give --auth {kinds}; the values go into INGOT_SOURCE_SECRET"
            raise
        told = f"It answers {error.challenge}." if error.challenge else "It does not say how it wants them."
        chosen = questions.choose(
            "The source wants credentials.", [("bearer", told), ("api_key:header=X-Api-Key", ""), ("basic", "")],
            option="--auth", default=None,
        )  # fmt: skip
    how = auth_of(chosen)
    if how is None:
        raise ConfigurationError("The source wants credentials, and none were given.", hint="give --auth")
    return draft(replace(wanted, auth=how, secret=secret_for(how, ask=True)), questions)


def _tell_wait(details: RetryDetails) -> None:
    # On stderr, as stdout is for the answer. Our errors' messages hold no credentials.
    reason = details.caused_by.message if isinstance(details.caused_by, IngotError) else "That failed."
    typer.echo(f"{printable(reason)} Again in {details.wait_for:.1f} s.", err=True)


def show(draft: Draft, files: Mapping[Path, str], *, json: bool, written: bool) -> bool:
    """Print what was found, and what the gate says; whether it refuses nothing."""
    runs = [run for run in (draft.sampled, draft.further) if run is not None]
    healthy = not any(run.refused for run in runs)
    if json:
        show_json(
            {
                "source": draft.name,
                "stream": draft.stream,
                "written": written,
                "files": [{"file": str(file), "state": _state(file, text)} for file, text in files.items()],
                "requests": draft.requests,
                "whole": draft.whole,
                "evidence": draft.evidence,
                "classified": {path: {"as": kept, "why": why} for path, (kept, why) in draft.personal.items()},
                "left_out": draft.left_out,
                "sample": draft.sampled,
                "further": draft.further,
            }
        )
        return healthy
    typer.echo(f"{draft.name}.{draft.stream}{f', after {draft.requests} requests' if draft.requests else ''}:")
    for what, why in draft.evidence.items():
        typer.echo(f"  {what}: {_short(why)}")
    for path, (kept, why) in draft.personal.items():
        typer.echo(f"  {kept}: {printable(path)} ({_short(why)})")
    for path, why in draft.left_out.items():
        typer.echo(f"  not in the contract: {printable(path)}: {_short(why)}")
    part = "all there is" if draft.whole else "a part of what there is"
    typer.echo(f"\nThe gate on the sample ({part}): {_verdict(draft.sampled)}")
    _show_rules(draft.sampled)
    if draft.further is not None:
        typer.echo(f"The gate on further pages: {_verdict(draft.further)}")
        _show_rules(draft.further)
    typer.echo("\nFiles:" if written else "\nFiles that would be written:")
    for file, text in files.items():
        typer.echo(f"  {_state(file, text)} {file}")
    return healthy


def write(draft: Draft, files: Mapping[Path, str], *, ask: bool, force: bool) -> None:
    """Put the files in place, after asking.

    Raises:
        ConfigurationError: one of them is there and may not be written over, or cannot be written.
    """
    # Generated ones follow from all sources; what a source gets more of changes its own file.
    change = {"README.md"} | ({"source.yaml"} if draft.added else set())
    there = [f for f, text in files.items() if _state(f, text) == "changed" and f.name not in change and not _ours(f)]
    if there and not force:
        raise ConfigurationError(
            f"{there[0]} is there already, and not the same.", source=draft.name, hint="move it away, or give --force"
        )
    if ask:
        typer.confirm("Write these files?", abort=True, err=True, default=True)
    write_files(files)


def tell_next(draft: Draft, *, json: bool) -> None:
    """What to do now."""
    if json:
        return
    typer.echo(
        f'\nNext: read sources/{draft.name}/ and write what is marked "to be written"; then\n'
        f"  ingot source check {draft.name}\n"
        + (f"  ingot land FILE --source {draft.name}\n" if "mode: landed" in draft.texts["source.yaml"] else "")
        + "  make up         # on this machine first; see docs/how-to/add-a-source.md\n"
        "  make manifest   # dbt's models for the DAGs\n"
        "  cdk deploy      # its jobs, tables and DAG; see docs/deploy.md"
    )
    if draft.name and any("auth:" in text for text in draft.texts.values()):
        typer.echo(f"  and put its credentials into the secret ingot/{{environment}}/source/{draft.name}")


def faults(name: str | None, sources: Path, dbt: Path) -> dict[str, list[str]]:
    """What is wrong with each source, in words; nothing if all is well.

    Raises:
        ConfigurationError: there is none of that name.
    """
    names = sorted(file.parent.name for file in sources.glob("*/source.yaml"))
    if name is not None and name not in names:
        raise ConfigurationError(
            f"There is no source {name!r} below {sources}.", hint=f"there are {', '.join(names) or 'none'}"
        )
    found: dict[str, list[str]] = {}
    for each in [name] if name is not None else names:
        found[each] = []
        try:
            source = load_source(sources / each)
        except ConfigurationError as error:
            found[each].append(str(error))
            continue
        if source.name != each:
            found[each].append(f"it calls itself {source.name!r}: name it as its folder")
        known = {f"{stream}.odcs.yaml" for stream in source.streams}
        for file in sorted((sources / each).glob("*.odcs.yaml")):
            if file.name not in known:
                found[each].append(f"{file} belongs to no stream of source.yaml")
        models = [file.read_text(encoding="utf-8") for file in (dbt / "models").rglob("*.sql")]
        for stream in source.streams:
            if not any(f"ref('stg_{each}__{stream}')" in text for text in models):
                found[each].append(f"no model reads stg_{each}__{stream}")
    if not any(found.values()):
        for file in stale(sources, dbt):
            if file.parent.name in found:
                found[file.parent.name].append(f"{file} is not what the contracts say: run ingot contract compile")
    return found


def _example(fields: Sequence[str]) -> str:
    return "{" + ", ".join(f'"{field}": "…"' for field in fields) + "}"


def _ours(file: Path) -> bool:
    return file.parent.parent.name == "staging"


def _state(file: Path, text: str) -> str:
    if not file.is_file():
        return "new"
    return "as it was" if file.read_text(encoding="utf-8") == text else "changed"


def _verdict(run: DryRun) -> str:
    stop = "; so many that a batch of them would not be published" if run.stops else ""
    return f"{run.accepted} accepted, {run.refused} refused{stop}"


def _show_rules(run: DryRun) -> None:
    for rule in run.rules:
        typer.echo(f"  refused {rule.records}: {printable(rule.path)}: {printable(rule.reason)}")
    for path in run.unknown:
        typer.echo(f"  not in the contract, and let through: {printable(path)}")


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
