"""What pages answer with: a template, a way to another page with a word, an error that says what to do.

::

    router = APIRouter()

    @router.get("/contracts")
    def contracts(request: Request) -> Response:
        return page(request, "contracts.html", title="Contracts", contracts=…)

    @router.post("/contracts/patch")
    def patch(request: Request, stream: Annotated[str, Form()]) -> Response:
        …
        return go(request, "/contracts", "The patch was applied.")
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.templating import Jinja2Templates

import ingot
from ingot.console import charts, formats, guard
from ingot.console.context import of

FOLDER = files("ingot.console")
_FLASH_COOKIE = "ingot_flash"
_MOST_FLASH = 2_000  # characters; a cookie holds 4 kB
Tone = Literal["good", "bad", "note"]

NAVIGATION = (
    ("/business", "Business"),
    ("/runs", "Runs"),
    ("/quarantine", "Quarantine"),
    ("/lineage", "Lineage"),
    ("/contracts", "Contracts"),
)
"""The pages, in the order of the bar."""


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page from a template, which extends ``base.html``.

    Args:
        template: in ``templates/``.
        context: what it says; ``title`` is the page's.
    """
    console = of(request)
    message = _flash(request)
    answer = _templates().TemplateResponse(
        request,
        template,
        {
            "navigation": NAVIGATION,
            "here": request.url.path,
            "environment": console.names.environment,
            "person": request.state.person,
            "csrf_field": guard.CSRF_FIELD,
            "csrf_token": guard.csrf_token(request),
            "flash": message,
            "vega": console.vega.version,
            "version": ingot.__version__,
            **context,
        },
        status_code=status,
    )
    secure = _is_secure(request)
    if request.cookies.get(guard.CSRF_COOKIE) != guard.csrf_token(request):
        answer.set_cookie(
            guard.CSRF_COOKIE, guard.csrf_token(request), httponly=True, samesite="strict", secure=secure, path="/"
        )
    if message:
        answer.delete_cookie(_FLASH_COOKIE)
    return answer


def go(request: Request, address: str, message: str = "", tone: Tone = "good") -> Response:
    """To another page after an action, which shows the message once."""
    answer = RedirectResponse(address, status_code=303)
    if message:
        value = base64.urlsafe_b64encode(json.dumps([tone, message[:_MOST_FLASH]]).encode()).decode()
        answer.set_cookie(
            _FLASH_COOKIE, value, max_age=60, httponly=True, samesite="strict", secure=_is_secure(request), path="/"
        )
    return answer


def address(path: str, /, **query: Any) -> str:
    """An address of ours with what is asked; what is empty or None is left out."""
    asked = urlencode({name: value for name, value in query.items() if value not in (None, "")}, doseq=True)
    return f"{path}?{asked}" if asked else path


def _flash(request: Request) -> tuple[str, str] | None:
    try:
        tone, message = json.loads(base64.urlsafe_b64decode(request.cookies.get(_FLASH_COOKIE, "")))
    except (binascii.Error, ValueError, TypeError):
        return None
    return (tone, str(message)) if tone in ("good", "bad", "note") else None


def _is_secure(request: Request) -> bool:
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))


@cache
def _templates() -> Jinja2Templates:
    templates = Jinja2Templates(directory=str(FOLDER / "templates"))
    templates.env.trim_blocks = templates.env.lstrip_blocks = True
    templates.env.filters |= formats.FILTERS
    templates.env.globals |= {"asset": asset, "address": address, "chart_themes": charts.themes_json()}
    return templates


@cache
def asset(name: str) -> str:
    """The address of a file of ``static/``, which changes with its content."""
    digest = hashlib.sha256((FOLDER / "static" / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"
