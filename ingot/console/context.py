"""What all pages work with: the names of the environment, its warehouse to read, and its buckets."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request

from ingot.console.reading import Reading
from ingot.console.settings import Settings
from ingot.console.vega import Vega
from ingot.naming import Names
from ingot.storage import ObjectStore


@dataclass
class Console:
    """One console; a page gets it by :func:`of`.

    Attributes:
        names: what things are called in the environment that it shows.
        warehouse: to read.
        bronze: the Bronze bucket.
    """

    settings: Settings
    names: Names
    warehouse: Reading
    bronze: ObjectStore
    vega: Vega = field(default_factory=Vega)

    @classmethod
    def connect(cls, settings: Settings | None = None) -> Console:
        """To the environment that the variables name, as every command does.

        Raises:
            ConfigurationError: none is chosen, or it cannot be reached.
        """
        from ingot.cli import context
        from ingot.warehouse import read_endpoint

        names = context.names()
        settings = settings or Settings.read()
        endpoint = read_endpoint(settings.warehouse_secret or names.warehouse_secret)
        return cls(settings=settings, names=names, warehouse=Reading(endpoint), bronze=context.bronze(names))

    def close(self) -> None:
        """Let go of what is held."""
        self.warehouse.close()


def of(request: Request) -> Console:
    """The console that answers a request."""
    console: Console = request.app.state.console
    return console
