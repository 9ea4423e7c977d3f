"""Who may come in, and what a browser may do with the answer."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import SplitResult, urlsplit

from fastapi import HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingot.console.identity import Refused, Verifier
from ingot.console.settings import ALB, Settings

HEALTH = "/healthz"
CSRF_COOKIE, CSRF_FIELD = "ingot_csrf", "csrf"
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]", "::1"}
_SAFE = {"GET", "HEAD", "OPTIONS"}

HEADERS = {
    # Nothing from elsewhere, no script or style in the page itself, no code made of text, no frame around it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware: refuses whoever may not come in, and gives each answer its headers.

    On a machine's loopback, the name in the address has to be one of the loopback's: a page of the web whose own name
    was made to lead here is refused. Behind a load balancer its token has to be right.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._verifier = Verifier(settings.balancer, settings.keys) if settings.auth == ALB else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = await self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    async def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        state["person"] = None
        if scope["path"] == HEALTH:
            return None
        if self._verifier is None:
            if _split(f"//{headers.get('host', '')}").hostname not in LOOPBACK_NAMES:
                return PlainTextResponse("This console answers on this machine's loopback only.\n", 421)
        else:
            try:
                state["person"] = await self._verifier.person(headers.get("x-amzn-oidc-data", ""))
            except Refused as error:
                return PlainTextResponse(f"Not let in: {error}\n", 401)
        return None


def csrf_token(request: Request) -> str:
    """The token that forms of this browser carry; a new one if it has none yet."""
    token: str | None = getattr(request.state, "csrf", None)
    if token is None:
        token = request.cookies.get(CSRF_COOKIE, "")
        if len(token) < 32:
            token = secrets.token_urlsafe(32)
        request.state.csrf = token
    return token


async def same_page(request: Request) -> None:
    """A dependency of all pages: what changes something comes from a form of ours, and from nowhere else.

    Raises:
        HTTPException: 403, it does not.
    """
    if request.method in _SAFE:
        return
    origin = request.headers.get("origin")
    if origin is not None and _split(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, "This was sent from another page.")
    form = await request.form()
    sent, kept = str(form.get(CSRF_FIELD, "")), request.cookies.get(CSRF_COOKIE, "")
    if not kept or not hmac.compare_digest(sent.encode(), kept.encode()):
        raise HTTPException(
            403, "This form is too old, or not of this console. Go back, load the page again, and retry."
        )


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # of brackets that do not close: it is nobody's
        return urlsplit("")
