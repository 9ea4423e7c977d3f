"""`ingot ui`: the console in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from ingot.cli.options import Json


def ui(
    host: Annotated[
        str, typer.Option(help="Where it listens; beyond loopback only behind a load balancer.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0: one that is free.")] = 8080,
    open: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
    json: Json = False,
) -> None:
    """The console: business, runs, quarantine, lineage and contracts, in a browser; until it is stopped with Ctrl-C.

    It shows the environment that every command speaks to. On a laptop it answers on this machine only. In an account it
    stands behind a load balancer that asks who somebody is (INGOT_UI_AUTH=alb). With --json its first line says where
    it is.

    Example: ingot ui --port 0 --no-open
    """
    try:
        from ingot.console.serve import serve
    except ModuleNotFoundError as error:
        from ingot.errors import ConfigurationError

        raise ConfigurationError(f"The console is not installed: {error}.", hint="pip install 'ingot[ui]'") from error
    serve(host, port, open_browser=open, json=json)
