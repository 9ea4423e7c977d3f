"""What these pages keep between requests: what is deployed, and what is under way."""

from __future__ import annotations

import threading
from contextlib import suppress

from fastapi import FastAPI, Request

from ingot.console.context import Console
from ingot.console.queries.deployed import Deployed
from ingot.console.work import Works

_LOCK = threading.Lock()


def deployed(request: Request) -> Deployed:
    """What is deployed in the environment of the console."""
    return _deployed(request.app)


def warm(app: FastAPI) -> None:
    """Begin to read what is deployed, so that the first visitor waits for less."""

    def read() -> None:
        with suppress(Exception):  # what cannot be read is told to whoever asks for it
            _deployed(app).warm()

    threading.Thread(target=read, name="deployed", daemon=True).start()


def _deployed(app: FastAPI) -> Deployed:
    with _LOCK:
        if not hasattr(app.state, "deployed"):
            console: Console = app.state.console
            secret = console.settings.warehouse_secret or console.names.warehouse_secret
            app.state.deployed = Deployed(console.names, secret)
    found: Deployed = app.state.deployed
    return found


def works(request: Request) -> Works:
    """What this console was told to do."""
    state = request.app.state
    with _LOCK:
        if not hasattr(state, "works"):
            state.works = Works()
    found: Works = state.works
    return found
