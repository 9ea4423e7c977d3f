"""The console's web application: pages made on the server, over plain addresses and forms.

A page is a module of :mod:`ingot.console.pages` with a ``router``; its address is in :data:`web.NAVIGATION`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from ingot.console import guard, web
from ingot.console.context import Console, of
from ingot.console.pages import PAGES, shared
from ingot.errors import IngotError, TransientError

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_log = logging.getLogger(__name__)


class _Assets(StaticFiles):
    """Files whose address changes with their content."""

    async def get_response(self, path: str, scope: object) -> Response:
        answer = await super().get_response(path, scope)  # type: ignore[arg-type]
        answer.headers.update(_FOR_EVER)
        return answer


def create_app(console: Console | None = None) -> FastAPI:
    """The application.

    Args:
        console: what it shows; else the environment that the variables name.

    Raises:
        ConfigurationError: no environment is chosen, or it cannot be reached.
    """
    shown = console or Console.connect()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        shown.vega.start()
        shared.warm(app)
        yield
        shown.close()

    app = FastAPI(title="Ingot", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.console = shown
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(guard.Guard, settings=shown.settings)
    app.mount("/static", _Assets(directory=str(web.FOLDER / "static")))
    for module in PAGES:
        app.include_router(module.router, dependencies=[Depends(guard.same_page)])

    @app.get(guard.HEALTH)
    def healthy() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/")
    def home() -> Response:
        return RedirectResponse("/business")

    @app.get("/vega/{version}.js")
    def vega(request: Request, version: str) -> Response:
        if version != of(request).vega.version:
            raise HTTPException(404, "There is no such version of the charts' JavaScript.")
        body = of(request).vega.packed()
        return Response(
            body,
            media_type="text/javascript",
            headers={**_FOR_EVER, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"},
        )

    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(IngotError, _failed)
    app.add_exception_handler(Exception, _broken)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = "Not found" if error.status_code == 404 else "Not done"
    message = "There is no such page." if error.detail == "Not Found" else str(error.detail)
    return web.page(request, "error.html", status=error.status_code, title=title, message=message, hint="")


async def _misunderstood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # What was sent is not said again: of a form it may be long, and of anybody.
    told = sorted({f"{each['loc'][-1]}: {each['msg'].lower()}" for each in error.errors()})
    return web.page(
        request,
        "error.html",
        status=400,
        title="Not understood",
        message=f"The address or form is not as this page takes it. {'; '.join(told)}.",
        hint="go back, or begin anew from the bar above",
    )


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, IngotError)
    _log.warning("%s failed: %s", request.url.path, error.verdict)
    status = 503 if isinstance(error, TransientError) else 500
    return web.page(
        request, "error.html", status=status, title=type(error).__name__, message=error.message, hint=error.hint
    )


async def _broken(request: Request, error: Exception) -> Response:
    # What it says may be of a record: it goes to the log of whoever runs the console, and to no page.
    answer = web.page(
        request,
        "error.html",
        status=500,
        title="The console has a fault",
        message=f"{type(error).__name__}, which nobody expected.",
        hint="its log says where; the command line shows the same numbers",
    )
    answer.headers.update(guard.HEADERS)  # it is made outside of the guard
    answer.headers["Cache-Control"] = "no-store"
    return answer
