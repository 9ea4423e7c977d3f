"""What the server and the refusals share of HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import MotoRequestHandler

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


class RequestHandler(MotoRequestHandler):
    """moto's handler over connections that are kept alive: clients make many small requests."""

    protocol_version = "HTTP/1.1"


def respond_json(start_response: StartResponse, status: str, body: dict[str, Any]) -> Iterable[bytes]:
    """Answer with a JSON document."""
    payload = json.dumps(body).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(payload)))])
    return [payload]
