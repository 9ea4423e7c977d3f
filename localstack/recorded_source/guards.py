"""``/auth/{style}/…`` and ``/limited/{requests}/{seconds}/…``: who may ask, and how often.

Each stands before any path of the API, and before each other. The credentials are those below: the source is
fictional, and so are they.
"""

from __future__ import annotations

import secrets
import threading
import time
from base64 import b64encode
from dataclasses import replace
from email.utils import formatdate
from math import ceil
from urllib.parse import parse_qs, quote_plus

from .messages import Reply, Request

API_KEY = "recorded-api-key"
BEARER_TOKEN = "recorded-bearer-token"  # noqa: S105
USERNAME, PASSWORD = "recorded-user", "recorded-password"
CLIENT_ID, CLIENT_SECRET = "recorded-client", "recorded-client-secret"
TOKEN_LIFETIME = 3600

STYLES = ("api_key", "bearer", "basic", "oauth2")


class Guards:
    """Tokens given out and requests counted. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, float] = {}
        self._windows: dict[str, tuple[float, int]] = {}

    def admit(self, request: Request) -> Request | Reply:
        """The request behind all guards, or the reply that refuses it."""
        match request.path.split("/", 4):
            case ["", "auth", style, *rest] if style in STYLES and rest:
                if not self._known(style, request):
                    challenge = {"WWW-Authenticate": 'Basic realm="recorded"' if style == "basic" else "Bearer"}
                    return Reply.json({"error": "Who are you?"}, 401).with_headers(challenge)
                return self.admit(replace(request, path="/" + "/".join(rest)))
            case ["", "limited", most, seconds, rest] if most.isdecimal() and seconds.isdecimal():
                in_words = rest.startswith("date/")
                if refused := self.limited(f"{most}/{seconds}", int(most), int(seconds), in_words=in_words):
                    return refused
                return self.admit(replace(request, path="/" + (rest.removeprefix("date/") if in_words else rest)))
        return request

    def limited(self, limit: str, most: int, seconds: int, *, in_words: bool = False) -> Reply | None:
        """Count a request of this limit; the reply to one too many in its window, else None.

        Args:
            in_words: whether ``Retry-After`` is a date instead of seconds.
        """
        wait = self._wait(limit, most, seconds)
        if wait <= 0:
            return None
        later = formatdate(ceil(time.time() + wait), usegmt=True) if in_words else str(ceil(wait))
        return Reply.json({"error": "Too many requests."}, 429).with_headers({"Retry-After": later})

    def token(self, request: Request) -> Reply | None:
        """The reply to ``POST /oauth/token`` and ``POST /oauth/{seconds}/token``; None for other paths."""
        match request.path.split("/")[1:]:
            case ["oauth", "token"]:
                lifetime = TOKEN_LIFETIME
            case ["oauth", seconds, "token"] if seconds.isdecimal():
                lifetime = int(seconds)
            case _:
                return None
        if request.method != "POST":
            return Reply.json({"error": "invalid_request"}, 405).with_headers({"Allow": "POST"})
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            return Reply.json({"error": "unsupported_grant_type"}, 400)
        by_header = request.headers.get("authorization") == _basic(quote_plus(CLIENT_ID), quote_plus(CLIENT_SECRET))
        if not by_header and (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return Reply.json({"error": "invalid_client"}, 401)
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = time.monotonic() + lifetime
        granted = {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}
        return Reply.json(granted).with_headers({"Cache-Control": "no-store"})

    @property
    def tokens(self) -> list[str]:
        """The tokens given out that were not ended."""
        with self._lock:
            return list(self._tokens)

    def expire_tokens(self) -> None:
        """End every token given out so far."""
        with self._lock:
            self._tokens.clear()

    def _known(self, style: str, request: Request) -> bool:
        given = request.headers.get("authorization", "")
        match style:
            case "api_key":
                return API_KEY in (request.headers.get("x-api-key"), request.arguments.get("api_key"))
            case "bearer":
                return given == f"Bearer {BEARER_TOKEN}"
            case "basic":
                return given == _basic(USERNAME, PASSWORD)
        with self._lock:
            return self._tokens.get(given.removeprefix("Bearer "), 0) > time.monotonic()

    def _wait(self, limit: str, most: int, seconds: int) -> float:
        """Count a request; how long it is too early, in seconds: 0 for one that is admitted."""
        with self._lock:
            now = time.monotonic()
            begin, count = self._windows.get(limit, (now, 0))
            if now >= begin + seconds:
                begin, count = now, 0
            self._windows[limit] = (begin, count + 1)
            return 0.0 if count < most else begin + seconds - now


def _basic(username: str, password: str) -> str:
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()
