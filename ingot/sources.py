"""Sources: what is taken, from where and how, as declared in ``sources/{name}/source.yaml``.

A source is read from a folder or, by the jobs, from the artifacts bucket: the same files either way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal
from urllib.parse import urlparse

import boto3
import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ingot.contract import Contract, load_contract
from ingot.contract.model import EPOCH_UNITS
from ingot.documents import read_bytes, read_document
from ingot.errors import ConfigurationError, StorageUnavailable
from ingot.files import declared
from ingot.files.declared import Files
from ingot.request import Auth, Moment, Pagination, RequestPolicy, address_faults, faults, record_faults

Mode = Literal["interval", "cursor", "snapshot", "landed"]
CursorValue = datetime | int
Engine = Literal["duckdb", "spark"]
MIN_WORKERS = 2
"""The least that a Spark job of Glue can have: a driver and a worker."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOOKBACK = re.compile(r"(\d+)\s*([dhms])")
_BOUNDS = ("interval_start", "interval_end")
# A producer may send the same event twice, and two producers the same bytes: events are told apart by the warehouse.
_EVENTS = Files(format="ndjson", once="name")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


class Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a stream in ``cursor`` mode is read on from where it was left.

    Attributes:
        field: the field of a record that says when it last changed, or a number that only grows: a required
            top-level field of type timestamp, date or integer.
        lookback: how far before the watermark a batch begins, so that late changes are seen: ``45d``, ``12h``,
            ``30m``, ``90s``; for an integer cursor a number. The first batch begins at the source's start date,
            or at 0.
    """

    field: str
    lookback: str | int


class Delivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stream that events are sent to: Kinesis keeps them, and Firehose puts them below the landing prefix, by day.

    Attributes:
        partition_by: the required timestamp or date of the contract that says an event's day.
    """

    partition_by: str


class Refining(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What turns a stream's batches into Parquet: the same rows by either engine.

    Attributes:
        engine: ``duckdb``: one process; ``spark``: the parts of a batch side by side, on as many machines as there are
            workers, for single batches of some hundred million records (docs/how-to/choose-an-engine.md).
        workers: how many of type G.1X the job has, the driver's among them, where the engine is Spark. All streams of
            a source share the job.
    """

    engine: Engine = "duckdb"
    workers: Annotated[int, msgspec.Meta(ge=2, le=299)] | None = None


class Fallback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another API that is asked for a batch in ``cursor`` mode when the source is unavailable after all attempts.

    Its records meet the same contract. The watermark stays where it was: what the source itself says then is asked for
    again by the next batch, and replaces what the fallback said.

    Attributes:
        base_url: where it is; it gets none of the source's credentials.
        path, params, headers, records, keyed_by, value_as, keys, with, pagination: as a stream's own.
    """

    base_url: str
    path: str
    params: dict[str, str] = {}
    records: str = ""
    keyed_by: str = ""
    value_as: str = ""
    keys: tuple[str, ...] = ()
    beside: dict[str, str | Moment] = msgspec.field(default_factory=dict, name="with")
    pagination: Pagination | None = None
    headers: dict[str, str] = {}


class _StreamEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Mode
    path: str = ""
    params: dict[str, str] = {}
    cursor: Cursor | None = None
    max_delete_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    records: str = ""
    keyed_by: str = ""
    value_as: str = ""
    keys: tuple[str, ...] = ()
    beside: dict[str, str | Moment] = msgspec.field(default_factory=dict, name="with")
    pagination: Pagination | None = None
    headers: dict[str, str] = {}
    fallback: Fallback | None = None
    delivery: Delivery | None = None
    files: Files | None = None
    refine: Refining = Refining()


class _SourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    title: str
    schedule: str
    start_date: date
    streams: dict[str, _StreamEntry]
    base_url: str = ""
    request: RequestPolicy = RequestPolicy()
    auth: Auth | None = None


class Stream(msgspec.Struct, frozen=True):
    """One kind of record of a source.

    Attributes:
        source: the name of its source.
        name: its own.
        path: what is asked of the API, appended to the source's base URL.
        mode: ``interval``: a batch is what falls in its interval; ``cursor``: what changed since the watermark;
            ``snapshot``: all there is, of which only what is new or changed is written; ``landed``: no API is asked,
            a batch is the objects below ``landing/{source}/{stream}/`` that no batch before it took.
        params: query parameters; ``{interval_start}``, ``{interval_end}`` and, for a cursor, ``{cursor}`` take
            the batch's values (str.format); ``{cursor:epochMillis}`` and ``{cursor:epochSeconds}`` count from 1970.
        contract: what its records must be.
        cursor: in ``cursor`` mode only.
        max_delete_rate: the share of the known keys (0 to 1) that may be missing from one snapshot.
        records: where the records are in an answer, if it is no array of them (``data.items``).
        keyed_by: the records are no array but an object (at ``records``, or the answer itself): the field that takes
            each one's key, which is put first. An integer or a number of the contract takes it as one.
        value_as: with ``keyed_by``: the values are no objects, and this field takes each.
        keys: with ``keyed_by``: only these are records, and each has to be there.
        with: fields of each record that stand around the records, by where they stand in the answer (``base:
            base_code``); a moment since 1970 becomes the contract's date or timestamp (``date: {epoch_seconds:
            updated}``).
        pagination: how an answer leads to the next one; without it there is one.
        headers: sent with each request; none of them may be a credential.
        fallback: in ``cursor`` mode: what is asked instead when the source is unavailable after all attempts.
        delivery: in ``landed`` mode: how events get below the landing prefix; without it, others put objects there.
        files: in ``landed`` mode: how the files there are read. With a delivery they are lines of JSON.
        refine: what turns its batches into Parquet.
    """

    source: str
    name: str
    path: str
    mode: Mode
    params: dict[str, str]
    contract: Contract
    cursor: Cursor | None = None
    max_delete_rate: float = 0.5
    records: str = ""
    keyed_by: str = ""
    value_as: str = ""
    keys: tuple[str, ...] = ()
    beside: dict[str, str | Moment] = msgspec.field(default_factory=dict, name="with")
    pagination: Pagination | None = None
    headers: dict[str, str] = {}
    fallback: Fallback | None = None
    delivery: Delivery | None = None
    files: Files = Files()
    refine: Refining = Refining()

    @property
    def continues(self) -> bool:
        """Whether a batch goes on from the one before, or stands for itself."""
        return self.mode != "interval"

    def as_fallback(self) -> Stream:
        """Itself as its fallback is asked for it."""
        assert self.fallback is not None
        told = {f: getattr(self.fallback, f) for f in self.fallback.__struct_fields__ if f != "base_url"}
        return msgspec.structs.replace(self, **told, fallback=None)

    def since(self, watermark: CursorValue | None, start_date: date) -> CursorValue:
        """From where a batch in ``cursor`` mode reads: the watermark less the lookback, or the beginning."""
        assert self.cursor is not None
        lookback = lookback_of(self.cursor)
        if watermark is None:
            return 0 if isinstance(lookback, int) else datetime.combine(start_date, time(), UTC)
        return watermark - lookback  # type: ignore[operator]  # both are of one kind: the contract's

    def query(
        self, interval_start: datetime, interval_end: datetime, cursor: CursorValue | None = None
    ) -> dict[str, str]:
        """The query parameters of one batch.

        Args:
            cursor: from where a batch in ``cursor`` mode reads.

        Raises:
            ConfigurationError: a parameter cannot say a bound exactly (a date, for an interval of hours): the
                batch would hold other records than its name says.
        """
        moments: dict[str, datetime | int] = {"interval_start": interval_start, "interval_end": interval_end}
        if cursor is not None:
            moments["cursor"] = cursor
        for name, template in self.params.items():
            for _, bound, form, _ in Formatter().parse(template):
                # A cursor may be said too early: what is known already is not written again.
                if bound in _BOUNDS and form and not _says(moments[bound], form):
                    raise ConfigurationError(
                        f"The parameter {name} of stream {self.name} cannot say {moments[bound]}.",
                        source=self.source,
                        stream=self.name,
                        hint="choose an interval that begins and ends where the source can cut: at midnight UTC",
                    )
        said = {name: _Said(moment) if isinstance(moment, datetime) else moment for name, moment in moments.items()}
        return {name: template.format(**said) for name, template in self.params.items()}


class Source(msgspec.Struct, frozen=True):
    """One source with all its streams.

    Attributes:
        name: its own, and its folder's.
        title: how people call it.
        schedule: when it is asked: a cron expression in UTC, or one of its names (``@daily``).
        start_date: the first day that is taken.
        base_url: where its API is; the paths of its streams are appended. A source whose streams all land has none.
        request: how long, how often and how fast it is asked.
        streams: what it has, by name.
        auth: how its credentials go onto a request; without it, it asks for none.
    """

    name: str
    title: str
    schedule: str
    start_date: date
    base_url: str
    request: RequestPolicy
    streams: dict[str, Stream]
    auth: Auth | None = None

    @property
    def lands(self) -> bool:
        """Whether one of its streams takes what lands in the Bronze bucket."""
        return any(stream.mode == "landed" for stream in self.streams.values())

    @property
    def refine_workers(self) -> int | None:
        """How many workers its refine job has where a stream chose Spark: the most that one asks for; else None."""
        return max(
            (s.refine.workers or MIN_WORKERS for s in self.streams.values() if s.refine.engine == "spark"), default=None
        )

    def stream(self, name: str) -> Stream:
        """One stream by name.

        Raises:
            ConfigurationError: there is none of that name.
        """
        if name not in self.streams:
            raise ConfigurationError(
                f"Source {self.name} has no stream {name!r}.", hint=f"choose one of {', '.join(self.streams)}"
            )
        return self.streams[name]


def load_source(location: str | Path) -> Source:
    """Read one source and its contracts.

    Args:
        location: its folder, or its ``s3://bucket/prefix``.

    Raises:
        ConfigurationError: a file is missing or wrong.
        StorageUnavailable: S3 did not answer.
    """
    origin = f"{location}/source.yaml"
    try:
        entry = msgspec.convert(read_document(_read(str(location), "source.yaml"), origin=origin), _SourceFile)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{origin} is no source: {error}.", hint="correct the file") from error
    streams = {}
    for name, stream in entry.streams.items():
        file = f"{name}.odcs.yaml"
        contract = load_contract(_read(str(location), file), origin=f"{location}/{file}")
        if contract.stream != name:
            raise ConfigurationError(
                f"{location}/{file} describes {contract.stream!r}.", hint=f"call its schema object {name!r}"
            )
        streams[name] = Stream(
            source=entry.name,
            name=name,
            path=stream.path,
            mode=stream.mode,
            params=stream.params,
            contract=contract,
            cursor=stream.cursor,
            max_delete_rate=stream.max_delete_rate,
            records=stream.records,
            keyed_by=stream.keyed_by,
            value_as=stream.value_as,
            keys=stream.keys,
            beside=stream.beside,
            pagination=stream.pagination,
            headers=stream.headers,
            fallback=stream.fallback,
            delivery=stream.delivery,
            files=stream.files or (_EVENTS if stream.delivery else Files()),
            refine=stream.refine,
        )
        _check(streams[name], entry.auth, origin, files_declared=stream.files is not None)
    if not entry.base_url and any(stream.mode != "landed" for stream in streams.values()):
        raise ConfigurationError(
            f"{origin}: the source has no base_url.", source=entry.name, hint="say where it is, or choose mode landed"
        )
    for reason, hint in address_faults(entry.base_url, entry.auth):
        raise ConfigurationError(f"{origin}: the source {reason}.", source=entry.name, hint=hint)
    return Source(
        name=entry.name,
        title=entry.title,
        schedule=entry.schedule,
        start_date=entry.start_date,
        base_url=entry.base_url.rstrip("/"),
        request=entry.request,
        streams=streams,
        auth=entry.auth,
    )


def load_sources(folder: str | Path) -> dict[str, Source]:
    """Every source below a folder, by name.

    Raises:
        ConfigurationError: a file is wrong, or a folder's name is not its source's.
    """
    sources = {}
    for file in sorted(Path(folder).glob("*/source.yaml")):
        source = load_source(file.parent)
        if source.name != file.parent.name:
            raise ConfigurationError(f"{file} calls itself {source.name!r}.", hint="name it as its folder")
        sources[source.name] = source
    return sources


def lookback_of(cursor: Cursor) -> timedelta | int:
    """How far before the watermark a batch begins.

    Raises:
        ConfigurationError: it is neither a time nor a number.
    """
    if isinstance(cursor.lookback, int):
        return cursor.lookback
    match = _LOOKBACK.fullmatch(cursor.lookback.strip())
    if match is None:
        raise ConfigurationError(f"The lookback {cursor.lookback!r} is no time.", hint="write 45d, 12h, 30m or 90s")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _check(stream: Stream, auth: Auth | None, origin: str, *, files_declared: bool) -> None:
    """Hold a stream's parts to each other."""

    def wrong(reason: str, hint: str) -> ConfigurationError:
        return ConfigurationError(f"{origin}: stream {stream.name} {reason}.", stream=stream.name, hint=hint)

    if stream.refine.workers is not None and stream.refine.engine != "spark":
        raise wrong("asks for workers, and DuckDB is one process", "take workers away, or choose the engine spark")
    if stream.mode == "landed":
        _check_landed(stream, files_declared, wrong)
        return
    if files_declared:
        raise wrong("says how files are read, and takes nothing that lands", "choose mode landed")
    if stream.delivery is not None:
        raise wrong("has a delivery, and takes nothing that lands", "choose mode landed")
    if not stream.path:
        raise wrong("has no path", "say what is asked of the source, or choose mode landed")
    named = _check_asked(stream, auth, wrong)
    if stream.fallback is not None:
        if stream.mode != "cursor":
            raise wrong("has a fallback, and no batch after it would ask again", "choose mode cursor, or take it away")
        for reason, hint in address_faults(stream.fallback.base_url, None):
            raise wrong(reason, hint)
        _check_asked(stream.as_fallback(), None, lambda reason, hint: wrong(f"in its fallback, {reason}", hint))
    if stream.mode == "snapshot" and named:
        raise wrong("is a snapshot, and asks for a part only", "take its params away, or choose another mode")
    if (stream.cursor is not None) != (stream.mode == "cursor"):
        raise wrong("has mode cursor without a cursor, or the other way round", "give both, or neither")
    if stream.cursor is None:
        return
    if "cursor" not in named:
        raise wrong("never sends its cursor", 'give a parameter with "{cursor}", or choose mode snapshot')
    properties = {p.name: p for p in stream.contract.properties}
    field = properties.get(stream.cursor.field)
    if field is None or not field.required or field.logical_type not in ("timestamp", "date", "integer"):
        raise wrong(
            f"has the cursor {stream.cursor.field}, which is no required timestamp, date or integer of its contract",
            "choose another field, or correct the contract",
        )
    numeric = field.logical_type == "integer"
    if isinstance(lookback_of(stream.cursor), int) != numeric:
        raise wrong("has a lookback of another kind than its cursor", "a time for times, a number for numbers")


def _check_asked(stream: Stream, auth: Auth | None, wrong: Callable[[str, str], ConfigurationError]) -> set[str]:
    """Hold what is asked of an API to itself; which values of a batch its parameters take."""
    for reason, hint in faults(
        auth=auth,
        pagination=stream.pagination,
        records=stream.records,
        params=stream.params,
        headers=stream.headers,
    ):
        raise wrong(reason, hint)
    for reason, hint in record_faults(
        records=stream.records,
        keyed_by=stream.keyed_by,
        value_as=stream.value_as,
        keys=stream.keys,
        beside=stream.beside,
    ):
        raise wrong(reason, hint)
    known = {p.name: p.logical_type for p in stream.contract.properties}
    for name in filter(None, (stream.keyed_by, stream.value_as, *stream.beside)):
        if name not in known:
            raise wrong(f"puts the field {name!r} into its records, which is none of its contract", "add it there")
        if isinstance(stream.beside.get(name), Moment) and known[name] not in ("date", "timestamp"):
            raise wrong(f"puts a moment into {name!r}, which is no date and no timestamp", "correct the contract")
    named: set[str] = set()
    for template in stream.params.values():
        try:
            named |= {bound for _, bound, _, _ in Formatter().parse(template) if bound is not None}
        except ValueError as error:
            raise wrong(f"has a parameter {template!r} that cannot be filled in: {error}", "see str.format") from error
    allowed = {"interval_start", "interval_end"} | ({"cursor"} if stream.mode == "cursor" else set())
    if named - allowed:
        raise wrong(f"asks for {sorted(named - allowed)} in params", f"there are {', '.join(sorted(allowed))}")
    return named


def _check_landed(stream: Stream, files_declared: bool, wrong: Callable[[str, str], ConfigurationError]) -> None:
    asked = ("path", "params", "cursor", "records", "keyed_by", "value_as", "keys", "with", "pagination", "headers")
    names = {"with": "beside"}
    if told := [name for name in (*asked, "fallback") if getattr(stream, names.get(name, name))]:
        raise wrong(f"takes what lands and has {', '.join(told)}", "take that away: no API is asked")
    for reason, hint in declared.faults(stream.files, stream.contract):
        raise wrong(reason, hint)
    if stream.delivery is None:
        return
    if files_declared:
        raise wrong("has files and a delivery", "take files away: Firehose writes lines of JSON")
    name = stream.delivery.partition_by
    field = next((p for p in stream.contract.properties if p.name == name), None)
    if field is None or not field.required or field.logical_type not in ("timestamp", "date"):
        raise wrong(
            f"is partitioned by {name!r}, which is no required timestamp or date of its contract",
            "choose another field, or correct the contract",
        )
    if field.source_form:
        raise wrong(
            f"is partitioned by {name!r}, whose sourceForm Firehose cannot read a day from",
            "choose a field that is written as a date or a time",
        )
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise wrong(f"is partitioned by {name!r}, which Firehose cannot ask for", "choose a field with a plain name")


@dataclass(frozen=True)
class _Said:
    """A moment that is written into a parameter: by strftime, or as a whole number since 1970."""

    moment: datetime

    def __format__(self, form: str) -> str:
        if form in EPOCH_UNITS:
            return str((self.moment - _EPOCH) // EPOCH_UNITS[form])
        return format(self.moment, form)


def _says(moment: CursorValue, form: str) -> bool:
    assert isinstance(moment, datetime)
    if form in EPOCH_UNITS:
        return not (moment - _EPOCH) % EPOCH_UNITS[form]
    return datetime.strptime(moment.strftime(form), form).replace(tzinfo=UTC) == moment


def _read(location: str, file: str) -> bytes:
    if not location.startswith("s3://"):
        path = Path(location) / file
        if not path.is_file():
            raise ConfigurationError(f"{path} does not exist.", hint="see sources/fakestore for an example")
        return read_bytes(path)
    url = urlparse(location)
    key = f"{url.path.strip('/')}/{file}"
    try:
        body = boto3.client("s3").get_object(Bucket=url.netloc, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "AccessDenied"):
            raise ConfigurationError(
                f"s3://{url.netloc}/{key} cannot be read: {error}.",
                key=key,
                hint="deploy the jobs stack again",
            ) from error
        raise StorageUnavailable(f"S3 failed on {key}: {error}.", key=key) from error
    except BotoCoreError as error:
        raise StorageUnavailable(f"S3 failed on {key}: {error}.", key=key) from error
    return bytes(body)
