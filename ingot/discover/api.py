"""A source that is an API: asks it, infers how it is asked, and says what it saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from ingot.contract.checks import is_stream_name
from ingot.contract.model import LogicalType, Property, snake_case
from ingot.discover import cursors
from ingot.discover.asking import Asker
from ingot.discover.draft import Draft, Drafting, Wanted
from ingot.discover.dry_run import Answer
from ingot.discover.envelope import Place, is_clear, is_usual, places
from ingot.discover.fields import Field, Said
from ingot.discover.names import stream_name
from ingot.discover.pagination import Paging, Prober
from ingot.discover.questions import Questions
from ingot.discover.sample import UNKNOWN, stream_of, take
from ingot.drift import classification
from ingot.errors import ConfigurationError
from ingot.fetch.auth import credentials
from ingot.request import RequestPolicy, address_faults, names_of

NONE = "none"
_FORMS = {
    "timestamp": "{cursor:%Y-%m-%dT%H:%M:%SZ}",
    "date": "{cursor:%Y-%m-%d}",
    "epoch": "{cursor:epochMillis}",
}
_KEYS_IN_QUERIES = frozenset(["key", "apikey", "appid", "app_id", "api_key", "sig", "signature"])


def draft(wanted: Wanted, questions: Questions) -> Draft:
    """Ask the source, and say what it is.

    Raises:
        IngotError: it cannot be asked, or what it answers is no list of records.
        ConfigurationError: something cannot be seen, and nobody answers.
    """
    return _Drafting(wanted, questions).draft()


class _Drafting(Drafting):
    def __init__(self, wanted: Wanted, questions: Questions) -> None:
        self._url = _address(wanted.url)
        self._base, self._path = _parted(self._url, wanted.base_url)
        for reason, hint in address_faults(wanted.url, wanted.auth):
            raise ConfigurationError(f"The source {reason}.", source=wanted.name, hint=hint)
        for name in self._url.params:
            if name.lower() in _KEYS_IN_QUERIES or classification(name) == "secret":
                raise ConfigurationError(
                    f"The parameter {name} looks like a credential, which no file may hold.",
                    source=wanted.name,
                    hint=f"take it out of the URL and give --auth api_key:query={name}",
                )
        super().__init__(wanted, wanted.stream or stream_name(self._path) or "records", questions)

    def draft(self) -> Draft:
        wanted = self._wanted
        auth, mask = credentials(
            wanted.auth,
            "of this call",
            source=wanted.name,
            base=httpx.URL(self._base),
            timeout=30.0,
            values=dict(wanted.secret),
        )
        with Asker(
            auth=auth, mask=mask, headers=wanted.headers, most=wanted.requests, per_second=wanted.per_second
        ) as asker:
            place = self._place(asker)
            paging = Prober(asker, self._url, place, self._questions, param=wanted.next_param).probe()
        if (
            not wanted.stream
            and place.names
            and is_stream_name(said := snake_case(place.names[-1]))
            and not is_usual(place)
        ):
            self._stream = said
        params = self._params(paging)
        policy = RequestPolicy(
            attempts=5, deadline_seconds=600, requests_per_second=asker.limits.requests_per_second or wanted.per_second
        )
        stream = stream_of(
            wanted.name,
            self._stream,
            records=place.path,
            pagination=paging.how,
            headers=dict(wanted.headers),
            **self._keyed(place),
        )
        url = httpx.URL(self._base + self._path, params=params or None)
        sample = take(stream, asker, url, policy, pages=wanted.pages, further=wanted.further)
        return self.drafted(
            [Answer(page.body, page.records) for page in sample.pages],
            lambda record: self._source(asker, place, paging, params, self._cursor(record), record),
            further=[Answer(page.body, page.records) for page in sample.further],
            whole=sample.whole,
            requests=asker.sent + sample.requests,
        )

    # -- the parts -------------------------------------------------------------------------------------------------

    def _place(self, asker: Asker) -> Place:
        reply = asker.get(self._url)
        shown = asker.mask(self._url)
        if not reply.ok:
            raise ConfigurationError(f"{shown} answered {reply.status}.", url=shown, hint="look at the URL")
        value = reply.value
        if value is None:
            raise ConfigurationError(
                f"{shown} did not answer with JSON.", url=shown, hint="give the URL of an API's list"
            )
        found = places(value)
        if self._wanted.records:
            found = [place for place in found if place.names == tuple(names_of(self._wanted.records))]
        if not found:
            raise ConfigurationError(
                f"{shown} holds no records{f' at {self._wanted.records}' if self._wanted.records else ''}: neither an "
                "array of objects nor an object of objects that are alike.",
                url=shown,
                hint="give the URL of a list that is not empty, or another --records",
            )
        if is_clear(found):
            return found[0]
        chosen = self._questions.choose(
            "Where are the records?",
            [(place.path or ".", place.why) for place in found[:6]],
            option="--records",
            default=None,
        )
        for place in found:
            if chosen in (place.path, "." if not place.path else place.path):
                return place
        raise ConfigurationError(f"There are no records at {chosen!r}.", url=shown, hint="choose one of those shown")

    def _keyed(self, place: Place) -> dict[str, Any]:
        if not place.keyed:
            return {}
        kind: LogicalType = "integer" if place.numeric else "string"
        key = Property(name=place.keyed_by, logical_type=kind)
        return {"keyed_by": place.keyed_by, "contract": msgspec.structs.replace(UNKNOWN, properties=(key,))}

    def _params(self, paging: Paging) -> dict[str, str]:
        own = getattr(paging.how, "param", "")
        return {name: value for name, value in self._url.params.items() if name != own} | paging.params

    def _cursor(self, record: Field) -> tuple[str, str, str] | None:
        """The cursor's field, its parameter, and its kind."""
        candidates = cursors.candidates(record)
        wanted = self._wanted.cursor
        if not wanted and candidates:
            wanted = self._questions.choose(
                "Can the source be asked for what changed since then, and by which parameter? That cannot be seen.",
                [(NONE, "each batch takes all there is"), *((f"{c.name}=…", c.why) for c in candidates)],
                option="--cursor FIELD=PARAMETER",
                default=NONE,
            )
        self._evidence["cursor"] = "; ".join(f"{c.name}: {c.why}" for c in candidates) or "no candidate"
        if not wanted or wanted == NONE:
            return None
        name, _, param = wanted.partition("=")
        found = next((each for each in candidates if each.name == name), None)
        one = record.members.get(name)
        if not param or one is None or (found is None and one.kinds - {"integer"}):
            raise ConfigurationError(
                f"{wanted!r} is no cursor: a time or integer that every record has, and the parameter that takes it.",
                hint=f"candidates: {', '.join(c.name for c in candidates) or 'none'}; give FIELD=PARAMETER, or none",
            )
        return name, param, found.kind if found else "integer"

    # -- the files -------------------------------------------------------------------------------------------------

    def _source(
        self,
        asker: Asker,
        place: Place,
        paging: Paging,
        params: dict[str, str],
        cursor: tuple[str, str, str] | None,
        record: Field,
    ) -> dict[str, Any]:
        wanted = self._wanted
        notes: list[str] = []
        stream: dict[str, Any] = {"#": notes, "path": self._path}
        if cursor is None:
            seen = [f"candidate for a cursor: {c.name}: {c.why}" for c in cursors.candidates(record)]
            notes += seen or ["no field that every record has tells of a change"]
            stream["mode"] = Said("snapshot", "all there is, each time: whether it can be asked for a part is not seen")
        else:
            name, _, kind = cursor
            form = _FORMS.get(kind, "{cursor}")
            stream["mode"] = Said("cursor", "given")
            lookback: Any = wanted.lookback or ("0" if kind == "integer" else "1d")
            stream["cursor"] = {
                "field": Said(name, "given"),
                "lookback": Said(
                    int(lookback) if kind == "integer" else lookback,
                    "given" if wanted.lookback else "not seen: how late changes come",
                ),
            }
        escaped = {name: value.replace("{", "{{").replace("}", "}}") for name, value in params.items()}
        said: dict[str, Any] = {
            name: Said(value, paging.why.get(name, "as in the URL that was given")) for name, value in escaped.items()
        }
        if cursor is not None:
            said[cursor[1]] = Said(form, "given")
        if said:
            stream["params"] = said
        if wanted.headers:
            stream["headers"] = {name: Said(value, "given") for name, value in wanted.headers.items()}
        if place.names:
            stream["records"] = Said(place.path, place.why)
        if place.keyed:
            stream["keyed_by"] = Said(place.keyed_by, place.keyed_why)
        why = paging.why.get("pagination", "")
        if paging.how is None:
            notes.append(f"no pagination: {why}")
        else:
            stream["pagination"] = _said(paging.how, why, paging.why)
        self._evidence["records"] = f"{place.path or 'the answer itself'}: {place.why}"
        self._evidence["pagination"] = f"{msgspec.to_builtins(paging.how)['type'] if paging.how else 'none'}: {why}"
        entry: dict[str, Any] = self.head() | {"base_url": self._base}
        limits = asker.limits
        if (pace := limits.requests_per_second) is not None:
            entry["request"] = {"requests_per_second": Said(pace, limits.why)}
            self._evidence["limit"] = f"{pace:g} requests a second: {limits.why}"
        elif limits.told:
            told = "; ".join(
                f"{name}: {value}"
                for name, value in sorted(limits.told.items())
                if "remaining" not in name and "reset" not in name
            )
            entry["request"] = {
                "#": [f"headers that speak of limits: {told}"],
                "requests_per_second": Said(wanted.per_second, "as it was sampled, and not refused"),
            }
        if wanted.auth is not None:
            entry["auth"] = msgspec.to_builtins(wanted.auth)
            entry["auth"] = {"type": entry["auth"].pop("type"), **{n: v for n, v in entry["auth"].items() if v}}
        return entry | {"streams": {self._stream: stream}}


def _said(how: Any, why: str, reasons: Mapping[str, str]) -> dict[str, Any]:
    default = msgspec.to_builtins(type(how)(**_required(how)))
    told = msgspec.to_builtins(how)
    entry: dict[str, Any] = {"type": Said(told.pop("type"), why)}
    required = _required(how)
    for name, value in told.items():
        if name in required or value != default.get(name) or name in reasons or name == "param":
            entry[name] = Said(value, reasons[name]) if name in reasons else value
    return {name: value for name, value in entry.items() if value != ""}


def _required(how: Any) -> dict[str, Any]:
    return {
        f.name: getattr(how, f.name) for f in msgspec.structs.fields(how) if f.required or f.name in ("next", "header")
    }


def _address(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"{url!r} is no URL: {error}.", hint="give one that begins with https://") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(f"{url!r} is neither a URL nor a file.", hint="give one that begins with https://")
    return parsed.copy_with(fragment=None)


def _parted(url: httpx.URL, base: str) -> tuple[str, str]:
    """What all streams share, and the path of this one."""
    whole = str(url.copy_with(query=None))
    if base:
        base = base.rstrip("/")
        if not whole.startswith(f"{base}/"):
            raise ConfigurationError(f"{whole} does not begin with {base}/.", hint="give another --base-url")
        return base, whole.removeprefix(base)
    shared, _, last = whole.rstrip("/").rpartition("/")
    if "://" not in f"{shared}/" or shared.endswith("/"):
        return whole.rstrip("/"), "/"
    return shared, f"/{last}"
