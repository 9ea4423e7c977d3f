"""The console's server: Uvicorn on one port, with word to whoever started it."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser

import typer
import uvicorn

from ingot.cli.output import show_json
from ingot.errors import ConfigurationError


def serve(host: str, port: int, *, open_browser: bool, json: bool) -> None:
    """Serve until somebody stops it.

    Raises:
        ConfigurationError: the port is taken, others could reach it, or there is no environment to show.
    """
    from ingot.console.guard import LOOPBACK_NAMES

    if host not in LOOPBACK_NAMES and not os.environ.get("INGOT_UI_AUTH"):
        # The name in the address is the caller's word: from elsewhere it shows nothing.
        raise ConfigurationError(
            f"Whoever reaches {host} would be let in.",
            hint="say who may come in: INGOT_UI_AUTH=alb behind a load balancer, or INGOT_UI_AUTH=loopback where "
            "nobody else reaches the port, as in a container",
        )
    from ingot.console.app import create_app

    listening = _listen(host, port)
    app = create_app()
    shown_host = "localhost" if host in ("127.0.0.1", "::1", "0.0.0.0") else host  # noqa: S104 - compared, not bound
    url = f"http://{shown_host}:{listening.getsockname()[1]}"
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, proxy_headers=False)
    server = _Server(config, lambda: _say(url, open_browser=open_browser, json=json))
    server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """Says so when it answers."""

    def __init__(self, config: uvicorn.Config, ready: object) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()  # type: ignore[operator]


def _say(url: str, *, open_browser: bool, json: bool) -> None:
    if json:
        show_json({"url": url})
    else:
        typer.echo(f"The console is at {url}  (Ctrl-C stops it)")
    sys.stdout.flush()
    if open_browser:
        threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {error.strerror}.", hint="take another with --port; 0 finds one"
        ) from error
    return listening
