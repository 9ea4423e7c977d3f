"""APIs by declaration: ``{name}/recorded/api.yaml`` below a folder of sources is served at ``/{name}/…``.

Each path answers rows of a JSON file beside it, filtered, cut into pages and wrapped as declared. See README.md.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from .edits import Edit, Slot, applied
from .fakestore import BadArgument
from .guards import API_KEY, Guards
from .messages import Reply, Request
from .paging import DEFAULT_LIMIT, MOST, Form, Paging, filled
from .recordings import UnknownRecording, compact

SOURCES = Path(__file__).resolve().parents[2] / "sources"


_TESTS = {"at_least": operator.ge, "at_most": operator.le, "above": operator.gt, "below": operator.lt}


class WrongDeclaration(Exception):
    """A file of a recorded API that cannot be understood; the message says which and why."""


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which rows an argument leaves.

    Attributes:
        field: the rows' field, with dots into objects.
        test: how the field is held to the argument. Numbers compare as numbers, ISO times as moments (UTC without a
            zone), all else as text; ``among`` takes values with commas between them.
        reach_days: for ``at_least``: where there is no row with just this value, it goes down to the last one before,
            if that is no further away.
    """

    field: str
    test: Literal["equal", "among", "at_least", "at_most", "above", "below"] = msgspec.field(name="is")
    reach_days: int = 0


class Pages(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a path's list is cut: see :class:`.paging.Form`."""

    style: Literal["page", "offset", "cursor", "next", "link"]
    position: str = "after"
    limit: str = "limit"
    default: int = DEFAULT_LIMIT
    most: int = MOST
    first: int = 1


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a path answers.

    Attributes:
        data: the file beside ``api.yaml``, a JSON array; its rows go out with their exact bytes, in its order.
        filters: by argument.
        only: arguments that may have this value only: it is what was recorded.
        unknown: what becomes of an argument that is not declared.
        latest: the field by which only the last rows are answered where no filter says from when on.
        keyed_by: the records go out as an object, by the value of this field, which is taken out of them.
        value: with ``keyed_by``: only this field's value goes out, not an object.
        id: the field by which a fault names a record.
        answer: the body's form: see :class:`.paging.Form`.
        headers: of the answer: see :class:`.paging.Form`.
        pages: how it is cut; without it, it is whole.
    """

    data: str
    filters: dict[str, Filter] = {}
    only: dict[str, str] = {}
    unknown: Literal["ignored", "refused"] = "ignored"
    latest: str = ""
    keyed_by: str = ""
    value: str = ""
    id: str = "id"
    answer: Any = "{records}"
    headers: dict[str, str] = {}
    pages: Pages | None = None

    @property
    def form(self) -> Form | None:
        if self.pages is None:
            return None
        return Form(**msgspec.structs.asdict(self.pages), answer=self.answer, headers=self.headers)


class KeyHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may ask: who sends the key of :mod:`.guards` in this header. Others get this status."""

    header: str
    status: int = 401


class RateLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often all its paths together may be asked; others get 429 with ``Retry-After`` in seconds."""

    requests: int
    seconds: int


class Api(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``api.yaml``.

    Attributes:
        paths: what is served, by path below the API's name.
        auth: who may ask; anybody without it.
        limit: how often.
        refusal: the status for an argument that is refused.
    """

    paths: dict[str, Endpoint]
    auth: KeyHeader | None = None
    limit: RateLimit | None = None
    refusal: int = 400


@dataclass(frozen=True)
class _Row:
    value: Any
    raw: bytes

    def field(self, path: str) -> Any:
        found = self.value
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return found


class DeclaredApis:
    """All APIs below some folders, read when they are asked for and again when a file was changed."""

    def __init__(self, roots: Sequence[Path], guards: Guards) -> None:
        self._roots, self._guards = roots, guards

    def answer(self, outer: Request, request: Request, stand_ins: Sequence[str], edits: Sequence[Edit]) -> Reply | None:
        """The reply to a GET; None where no API of that name is declared.

        Args:
            outer: the request as it came, to which links lead.
            stand_ins: recordings in others' place, ``fx/rates_later`` in that of ``fx/rates``.
            edits: changes to the records.

        Raises:
            EditFailed: if a record has not the field that an edit names.
            WrongDeclaration: a file cannot be understood.
        """
        _, name, *rest = request.path.split("/", 2)
        folder = self._folder(name)
        if folder is None:
            return None
        api = _api(folder / "api.yaml", _changed(folder / "api.yaml"))
        if api.auth and request.headers.get(api.auth.header.lower()) != API_KEY:
            return Reply.json({"error": "Who are you?"}, api.auth.status)
        if api.limit and (refused := self._guards.limited(name, api.limit.requests, api.limit.seconds)):
            return refused
        endpoint = api.paths.get("/" + "".join(rest))
        if endpoint is None:
            return Reply.json({"error": f"There is no {request.path}."}, 404)
        try:
            return _answered(endpoint, outer, request, self._rows(name, endpoint, stand_ins), edits)
        except BadArgument as error:
            return Reply.json({"status": api.refusal, "message": str(error)}, api.refusal)

    def hold_to(self, stand_in: str) -> None:
        """See that there is such a recording, ``fx/rates_later``.

        Raises:
            UnknownRecording: there is none.
        """
        name, _, recording = stand_in.partition("/")
        folder = self._folder(name)
        if folder is None or not (folder / f"{recording}.json").is_file():
            raise UnknownRecording(f"There is no recording {stand_in!r}: take NAME/FILE without .json.")

    def _folder(self, name: str) -> Path | None:
        folders = (root / name / "recorded" for root in self._roots) if name not in ("", ".", "..") else iter(())
        return next((folder for folder in folders if (folder / "api.yaml").is_file()), None)

    def _rows(self, name: str, endpoint: Endpoint, stand_ins: Sequence[str]) -> tuple[_Row, ...]:
        folder = self._folder(name)
        assert folder is not None
        file = endpoint.data
        for stand_in in stand_ins:
            api, _, recording = stand_in.partition("/")
            if api == name and recording.startswith(f"{Path(file).stem}_"):
                file = f"{recording}.json"
        return _rows(folder / file, _changed(folder / file))


def _answered(
    endpoint: Endpoint, outer: Request, request: Request, rows: Sequence[_Row], edits: Sequence[Edit]
) -> Reply:
    paging = Paging.by(endpoint.form, outer, request) if endpoint.form else None
    found = _filtered(endpoint, paging.inner if paging else request, rows)
    part = found[paging.start : paging.start + paging.limit] if paging else found
    records = _joined(endpoint, part, edits)
    if paging:
        return paging.wrapped(records, len(found))
    return filled(endpoint.answer, endpoint.headers, {"records": records, "total": len(found), "size": len(found)})


def _joined(endpoint: Endpoint, rows: Sequence[_Row], edits: Sequence[Edit]) -> bytes:
    """The rows as an array, or as an object by their keys."""
    key = endpoint.keyed_by
    if not key:
        slots = applied([Slot(row.field(endpoint.id), row.raw) for row in rows], edits)
        return b"[" + b",".join(slot.raw for slot in slots) + b"]"
    slots = []
    for row in rows:
        rest = {name: value for name, value in row.value.items() if name != key}
        slots.append(Slot(row.value[key], compact(rest[endpoint.value] if endpoint.value else rest)))
    members = (compact(str(slot.id)) + b":" + slot.raw for slot in applied(slots, edits))
    return b"{" + b",".join(members) + b"}"


def _filtered(endpoint: Endpoint, request: Request, rows: Sequence[_Row]) -> list[_Row]:
    arguments = request.arguments
    known = {*endpoint.filters, *endpoint.only}
    if endpoint.unknown == "refused" and (others := sorted(arguments.keys() - known)):
        raise BadArgument(f"unknown parameter: {', '.join(others)}")
    for name, value in endpoint.only.items():
        if arguments.get(name, value) != value:
            raise BadArgument(f"{name}={arguments[name]!r} is not recorded: {value} is")
    found = list(rows)
    begun = False
    for name, how in endpoint.filters.items():
        if name in arguments:
            found = list(_left(found, how, arguments[name]))
            begun = begun or (how.field == endpoint.latest and how.test in ("equal", "at_least", "above"))
    if endpoint.latest and not begun:
        last = max((moment for row in found if (moment := _moment(row.field(endpoint.latest)))), default=None)
        found = [row for row in found if _moment(row.field(endpoint.latest)) == last]
    return found


def _left(rows: Sequence[_Row], how: Filter, argument: str) -> Iterator[_Row]:
    if how.test in ("equal", "among"):
        wanted = argument.split(",") if how.test == "among" else [argument]
        yield from (row for row in rows if _spelt(row.field(how.field)) in wanted)
        return
    values = [row.field(how.field) for row in rows]
    bound = _like(next((value for value in values if value is not None), ""), argument)
    if how.reach_days and isinstance(bound, datetime):
        earliest = bound - timedelta(days=how.reach_days)
        before = (moment for value in values if (moment := _moment(value)) and earliest <= moment <= bound)
        bound = max(before, default=bound)
    for row, value in zip(rows, values, strict=True):
        if value is None:
            continue
        at: Any = _comparable(value)
        if _TESTS[how.test](at, bound):
            yield row


def _spelt(value: Any) -> str:
    return value if isinstance(value, str) else compact(value).decode()


def _comparable(value: Any) -> Any:
    if isinstance(value, str):
        return _moment(value) or value
    return Decimal(str(value))


def _moment(value: Any) -> datetime | None:
    """A text as a moment in UTC; None if it is none."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _like(value: Any, argument: str) -> Any:
    """An argument as what it is compared with: the fields' kind."""
    kind = _comparable(value)
    if isinstance(kind, datetime):
        if moment := _moment(argument):
            return moment
        raise BadArgument(f"invalid date {argument!r}")
    if isinstance(kind, Decimal):
        try:
            return Decimal(argument)
        except InvalidOperation:
            raise BadArgument(f"invalid number {argument!r}") from None
    return argument


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError as error:
        raise WrongDeclaration(f"{file} cannot be read: {error.strerror}.") from None


@lru_cache(maxsize=64)
def _api(file: Path, changed: int) -> Api:
    try:
        return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), Api)
    except (msgspec.ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise WrongDeclaration(f"{file} declares no API: {error}") from None


@lru_cache(maxsize=64)
def _rows(file: Path, changed: int) -> tuple[_Row, ...]:
    """A JSON array's elements, each with its exact bytes."""
    text = file.read_text("utf-8")
    try:
        return tuple(
            _Row(json.loads(bytes(raw)), bytes(raw)) for raw in msgspec.json.decode(text, type=list[msgspec.Raw])
        )
    except ValueError as error:
        raise WrongDeclaration(f"{file} is no JSON array: {error}") from None
