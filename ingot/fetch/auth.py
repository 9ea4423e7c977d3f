"""Credentials: from the source's secret onto its requests, and nowhere else."""

from __future__ import annotations

import asyncio
import base64
import functools
import re
from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import msgspec

from ingot.errors import ConfigurationError, PayloadBroken, SourceUnavailable
from ingot.fetch.answers import AGAIN, check, translated
from ingot.request import ApiKey, Auth, Basic, Bearer, OAuth2ClientCredentials
from ingot.secret import read_secret

trusted = functools.cache(httpx.create_ssl_context)  # read once: it takes longer than a request

_EXPIRES_EARLY = 10.0  # seconds: a token that ends while a request is under way is of no use


@dataclass(frozen=True)
class Mask:
    """Shows an address without credentials, also where the source itself wrote them into it.

    Attributes:
        parameter: the query parameter that carries a key.
        values: what must not be seen, wherever it stands.
    """

    parameter: str = ""
    values: tuple[str, ...] = ()

    def __call__(self, url: httpx.URL) -> str:
        text = str(url.copy_with(userinfo=b"") if url.userinfo else url)
        if self.parameter:
            name = "|".join({re.escape(quote(self.parameter, safe="")), re.escape(quote_plus(self.parameter))})
            text = re.sub(rf"(?<=[?&])({name})=[^&#]*", r"\1=***", text)
        for value in self.values:
            for spelling in (value, quote(value, safe=""), quote_plus(value), quote(value)):
                text = text.replace(spelling, "***")
        return text


def credentials(
    how: Auth | None,
    secret: str | None,
    *,
    source: str,
    base: httpx.URL,
    timeout: float,
    recorded: bool = False,
    values: Mapping[str, Any] | None = None,
) -> tuple[httpx.Auth | None, Mask]:
    """What puts the credentials on each request, and what hides them.

    Args:
        how: as declared.
        secret: the secret that holds them.
        base: where the source is.
        recorded: whether recordings answer in the source's place: then for its token URL too.
        values: what the secret holds, where somebody has it at hand; then Secrets Manager is not asked.

    Raises:
        ConfigurationError: there is no secret, or it lacks a field or holds what cannot be sent.
        SourceUnavailable: Secrets Manager did not answer.
    """
    if how is None:
        return None, Mask()
    if secret is None:
        raise ConfigurationError(
            f"Source {source} declares auth, and was given no secret.",
            source=source,
            hint="deploy the source's secret and give its name to the extract",
        )
    fields = _Fields(secret, values)
    match how:
        case ApiKey(header=header, query=query, field=field):
            key = fields.header(field) if header else fields[field]
            return (_Header(header, key) if header else _Query(query, key)), Mask(query, (key,))
        case Bearer(field=field, scheme=scheme):
            token = fields.header(field)
            return _Header("Authorization", f"{scheme} {token}"), Mask("", (token,))
        case Basic(username_field=name, password_field=word):
            return httpx.BasicAuth(fields[name], fields[word]), Mask("", (fields[word],))
        case OAuth2ClientCredentials():
            url = (
                base.join(how.token_url) if "://" in how.token_url else httpx.URL(f"{base}".rstrip("/") + how.token_url)
            )
            if recorded:
                url = url.copy_with(scheme=base.scheme, host=base.host, port=base.port)
            client = (fields[how.client_id_field], fields[how.client_secret_field])
            return _ClientCredentials(how, url, client, secret, timeout), Mask("", (client[1],))


class _Fields:
    """The fields of a secret; no error holds a value."""

    def __init__(self, secret: str, values: Mapping[str, Any] | None) -> None:
        self._secret = secret
        self._values = read_secret(secret, unavailable=SourceUnavailable) if values is None else values

    def __getitem__(self, name: str) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or not value:
            raise self._wrong(f"has no text in its field {name}")
        return value

    def header(self, name: str) -> str:
        value = self[name]
        if not _fits_a_header(value):
            raise self._wrong(f"holds in its field {name} what no header can carry (a space or a line end around it?)")
        return value

    def _wrong(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"The secret {self._secret} {what}.",
            key=self._secret,
            hint="put its value again, as source.yaml's auth says",
        )


def _fits_a_header(value: str) -> bool:
    return value.isascii() and value.isprintable() and value == value.strip()


class _Header(httpx.Auth):
    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._name] = self._value
        yield request


class _Query(httpx.Auth):
    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.url = request.url.copy_set_param(self._name, self._value)
        yield request


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


class _ClientCredentials(httpx.Auth):
    """Fetches a token when there is none, when it is about to end, and once for a request that is told 401."""

    def __init__(
        self, how: OAuth2ClientCredentials, url: httpx.URL, client: tuple[str, str], secret: str, timeout: float
    ) -> None:
        self._how, self._url, self._client, self._secret = how, url, client, secret
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._token, self._ends = "", 0.0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._valid(refused="")
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:
            request.headers["Authorization"] = f"Bearer {await self._valid(refused=token)}"
            yield request

    async def _valid(self, *, refused: str) -> str:
        clock = asyncio.get_running_loop().time
        async with self._lock:  # requests that are told 401 at once ask for one token
            if self._token in ("", refused) or clock() >= self._ends:
                asked = clock()
                token = await self._fetch()
                lifetime = float("inf") if token.expires_in is None else token.expires_in
                self._token, self._ends = token.access_token, asked + max(lifetime - _EXPIRES_EARLY, lifetime / 2)
            return self._token

    async def _fetch(self) -> _Token:
        form = {"grant_type": "client_credentials", **self._how.params}
        headers = {"Accept": "application/json"}
        if self._how.scope:
            form["scope"] = self._how.scope
        if self._how.send_in == "body":
            form["client_id"], form["client_secret"] = self._client
        else:  # both parts are form-encoded first: RFC 6749, section 2.3.1
            pair = ":".join(quote_plus(part) for part in self._client)
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        shown = Mask("", self._client[1:])(self._url)
        with translated(shown):
            async with httpx.AsyncClient(timeout=self._timeout, verify=trusted()) as client:
                response = await client.post(self._url, data=form, headers=headers)
        check(response, shown, hint=f"no token was given: look at the secret {self._secret} and at auth in source.yaml")
        try:
            token = msgspec.json.decode(response.content, type=_Token, strict=False)
        except ValueError:
            token = _Token("")
        if not (token.access_token and _fits_a_header(token.access_token)):
            raise PayloadBroken(f"{shown} sent no token.", url=shown, hint=AGAIN) from None
        return token
