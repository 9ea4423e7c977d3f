"""How a source is asked: limits, credentials and pages, as declared in ``sources/{name}/source.yaml``.

No credential stands in that file: what is declared is where it goes and which field of the source's secret (a JSON
object in Secrets Manager) holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Count = Annotated[int, msgspec.Meta(ge=1)]

# Headers that carry credentials: they come from the secret, never from the file.
_CREDENTIALS = {"authorization", "cookie", "proxy-authorization"}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class RequestPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long, how often and how fast a source is asked.

    Attributes:
        timeout_seconds: how long one attempt waits for the connection, and then for each next byte.
        attempts: how often a request is sent at most. What is worth it is sent again: 5xx, 408, 425, 429, time-outs,
            broken connections and cut-off bodies; after a wait that doubles and is jittered, or after the one that
            the source asks for (``Retry-After``).
        deadline_seconds: of all requests of one batch together, with their waits. A ``Retry-After`` beyond it fails
            at once.
        requests_per_second: requests begin at least so far apart, whatever the concurrency (2: half a second).
            Without it only the source limits.
        concurrency: how many pages are asked for at once, and so how many may be ahead of the one in work. Only page
            numbers and offsets can be known ahead: the other paginations take one page after the other.
    """

    timeout_seconds: _Positive = 30.0
    attempts: _Count = 3
    deadline_seconds: _Positive = 300.0
    requests_per_second: _Positive | None = None
    concurrency: _Count = 1


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="api_key"):
    """``type: api_key``: a key in a header or in the query; give one of the two.

    Attributes:
        header: the header that carries the key (``X-Api-Key``).
        query: the query parameter that carries it. It is masked in manifests, errors and logs.
        field: the secret's field that holds it.
    """

    header: str = ""
    query: str = ""
    field: str = "api_key"

    def __post_init__(self) -> None:
        if bool(self.header) == bool(self.query):
            raise ValueError("an API key goes into a header or into the query: give one of the two")


class Bearer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="bearer"):
    """``type: bearer``: a token that does not expire, as ``Authorization: Bearer …``.

    Attributes:
        field: the secret's field that holds the token.
        scheme: the word before it, where it is not ``Bearer``.
    """

    field: str = "token"
    scheme: str = "Bearer"


class Basic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="basic"):
    """``type: basic``: a name and a password (RFC 7617).

    Attributes:
        username_field: the secret's field that holds the name.
        password_field: the secret's field that holds the password.
    """

    username_field: str = "username"
    password_field: str = "password"  # noqa: S105  # a field's name


class OAuth2ClientCredentials(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="oauth2_client_credentials"
):
    """``type: oauth2_client_credentials``: a token that is fetched for each batch (RFC 6749, section 4.4).

    One that expires in the middle, by its ``expires_in`` or by a 401, is fetched anew and the request sent again.

    Attributes:
        token_url: where the token is fetched; a path (``/oauth/token``) is one below the source's base URL.
        scope: what is asked for.
        params: further fields of the token request (``audience``).
        client_id_field: the secret's field that holds the client's id.
        client_secret_field: the secret's field that holds the client's secret.
        send_in: whether these two go into a ``header`` (HTTP Basic, which every server must take) or into the
            ``body``.
    """

    token_url: str
    scope: str = ""
    params: dict[str, str] = {}
    client_id_field: str = "client_id"
    client_secret_field: str = "client_secret"  # noqa: S105  # a field's name
    send_in: Literal["header", "body"] = "header"


Auth = ApiKey | Bearer | Basic | OAuth2ClientCredentials


class _Pagination(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    max_pages: _Count = 10_000


class PageNumber(_Pagination, frozen=True, tag="page"):
    """``type: page``: pages have numbers. How many records one holds is an ordinary parameter of the stream.

    The pages end at the total, where one is declared, else with an empty page.

    Attributes:
        param: the parameter that takes the number.
        start: the first page's number.
        total_pages: where an answer says how many pages there are (``meta.pages``).
        total_records: where an answer says how many records there are (``meta.total``).
        short_page_ends: a page shorter than the one before is the last: one request fewer, for a source that fills
            all its pages and declares no total.
        max_pages: more pages than these are an error: a guard against a source that never ends.
    """

    param: str = "page"
    start: int = 1
    total_pages: str = ""
    total_records: str = ""
    short_page_ends: bool = False


class Offset(_Pagination, frozen=True, tag="offset"):
    """``type: offset``: a page begins after so many records.

    The next page begins where the records of the last one ended, so that nothing is passed over when the source
    sends fewer than asked for. The pages end at the total, where one is declared, else with an empty page.

    Attributes:
        param: the parameter that takes the offset.
        start: the first record's offset.
        total_records: where an answer says how many records there are (``meta.total``).
        short_page_ends: a page shorter than the one before is the last: one request fewer, for a source that fills
            all its pages and declares no total.
        max_pages: more pages than these are an error: a guard against a source that never ends.
    """

    param: str = "offset"
    start: int = 0
    total_records: str = ""
    short_page_ends: bool = False


class NextCursor(_Pagination, frozen=True, tag="cursor"):
    """``type: cursor``: each answer holds the cursor of the next page; the last one none, null or an empty one.

    Attributes:
        param: the parameter that takes the cursor.
        next: where an answer's body holds it (``meta.next_cursor``); give this or ``header``.
        header: the header of an answer that holds it (``X-Next-Cursor``).
        more: where an answer says true or false to there being a next page (``has_more``), for a source that sends
            a cursor with its last page too.
        max_pages: more pages than these are an error: a guard against a source that never ends.
    """

    param: str
    next: str = ""
    header: str = ""
    more: str = ""

    def __post_init__(self) -> None:
        if bool(self.next) == bool(self.header):
            raise ValueError("a cursor stands in an answer's body or in a header: give one of next and header")


class LinkHeader(_Pagination, frozen=True, tag="link_header"):
    """``type: link_header``: the header ``Link: <…>; rel="next"`` (RFC 8288) names the next page; the last has none.

    Attributes:
        max_pages: more pages than these are an error: a guard against a source that never ends.
    """


class NextUrl(_Pagination, frozen=True, tag="next_url"):
    """``type: next_url``: each answer holds the URL of the next page; the last one none, null or an empty one.

    Attributes:
        next: where an answer holds it (``links.next``).
        max_pages: more pages than these are an error: a guard against a source that never ends.
    """

    next: str


Pagination = PageNumber | Offset | NextCursor | LinkHeader | NextUrl


class Moment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A moment of an answer that is no text of the contract's form: it becomes one, a date or a timestamp in UTC.

    Attributes:
        epoch_seconds: where an answer holds it in seconds since 1970.
        epoch_millis: where it holds it in milliseconds since 1970.
    """

    epoch_seconds: str = ""
    epoch_millis: str = ""

    def __post_init__(self) -> None:
        if bool(self.epoch_seconds) == bool(self.epoch_millis):
            raise ValueError("a moment is in seconds or in milliseconds: give one of the two")


def names_of(path: str) -> list[str]:
    """The names on the way to a value: two of ``meta.next``, one of ``@odata\\.nextLink``, whose dot is escaped."""
    return [name.replace("\\.", ".") for name in re.split(r"(?<!\\)\.", path)] if path else []


def faults(
    *,
    auth: Auth | None,
    pagination: Pagination | None,
    records: str,
    params: Iterable[str],
    headers: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """What does not go together in a stream: the reason, and what to do."""
    key_header = auth.header.lower() if isinstance(auth, ApiKey) else ""
    for name, value in headers.items():
        if not re.fullmatch(r"[!-9;-~]+", name) or not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value):
            yield f"has a header {name!r} that cannot be sent", "take letters of ASCII, and no line end"
        if name.lower() in {*_CREDENTIALS, key_header}:
            yield f"has a header {name}, which carries credentials", "declare auth; the value belongs into the secret"
    taken = {getattr(pagination, "param", ""), auth.query if isinstance(auth, ApiKey) else ""} - {""}
    for name in taken.intersection(params):
        yield f"gives the parameter {name} twice", "take it out of params: auth or the pagination fills it in"
    paths = [getattr(pagination, name, "") for name in ("next", "more", "total_pages", "total_records")]
    for path in (records, *paths):
        if any(not _is_name(name) for name in names_of(path)):
            yield f"has a path {path!r} that leads nowhere", "write names with dots between them"
    if not records and any(paths):
        yield (
            "has a pagination that is read from an answer's fields, and no records",
            "say where these are in an answer",
        )
    if isinstance(pagination, PageNumber) and pagination.total_pages and pagination.total_records:
        yield "has two totals", "give one of total_pages and total_records"


def record_faults(
    *, records: str, keyed_by: str, value_as: str, keys: Iterable[str], beside: Mapping[str, str | Moment]
) -> Iterator[tuple[str, str]]:
    """What does not go together in what is put into a stream's records: the reason, and what to do."""
    if not keyed_by and (value_as or list(keys)):
        yield "has value_as or keys, and its records have none", "say which field takes the key: keyed_by"
    names = [name for name in (keyed_by, value_as, *beside) if name]
    if len(names) > len(set(names)):
        yield "puts two values into one field of its records", "take one away: of keyed_by, value_as and with"
    if beside and not records:
        yield "takes fields from around its records, and no records", "say where these are in an answer"
    for at in beside.values():
        path = at if isinstance(at, str) else at.epoch_seconds or at.epoch_millis
        if not path or any(not _is_name(name) for name in names_of(path)):
            yield f"has a path {path!r} that leads nowhere", "write names with dots between them"


def _is_name(text: str) -> bool:
    return re.fullmatch(r'[^\\"\x00-\x1f]+', text) is not None


def address_faults(base_url: str, auth: Auth | None) -> Iterator[tuple[str, str]]:
    """What is wrong with where credentials would go: the reason, and what to do."""
    token_url = auth.token_url if isinstance(auth, OAuth2ClientCredentials) else ""
    for url in filter(None, (base_url, token_url)):
        parts = urlsplit(url)
        if parts.username or parts.password:
            yield "has credentials in an address", "declare auth; the values belong into the secret"
        if auth is not None and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            yield "sends credentials over plain HTTP", "use https"
    if token_url and "://" not in token_url and not token_url.startswith("/"):
        yield "has a token_url that is neither a URL nor a path", "begin it with https:// or with a slash"
