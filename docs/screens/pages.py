"""Which pages: Airflow's, the console's, dbt's. Named for the files in ``docs/images/screens/``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import Page

from docs.screens.shots import NARROW, WIDE, Scheme, Shot

CONSOLE: Final = {
    "business": "/business",
    "runs": "/runs",
    "quarantine": "/quarantine",
    "lineage": "/lineage",
    "contracts": "/contracts",
}
"""Page of the console → its path."""

SHOWS: Final = {
    "business": ("Revenue",),
    "runs": ("fakestore.carts",),
    "quarantine": (", by stream and rule",),
    "lineage": ("From the source to gold",),
    "contracts": ("fakestore.products",),
}

_SIZES: Final = {"wide": WIDE, "narrow": NARROW}
_SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where they are.

    Attributes:
        airflow: the URL of its api-server.
        user: of Airflow.
        password: of that user.
        console: the URL of `ingot ui`.
        dbt: the one file that is dbt's documentation.
    """

    airflow: str
    user: str
    password: str
    console: str
    dbt: Path


def shots(places: Places) -> Iterator[Shot]:
    """All of them."""
    yield from airflow(places)
    yield from console(places.console)
    yield from dbt(places.dbt)


def airflow(places: Places) -> Iterator[Shot]:
    """The runs of a source with their tasks, and the graph of the models."""
    token = httpx.post(
        f"{places.airflow}/auth/token", json={"username": places.user, "password": places.password}, timeout=60
    )
    token.raise_for_status()
    cookies = ({"name": "_token", "value": token.json()["access_token"], "url": places.airflow},)
    yield Shot(
        name="airflow-grid",
        address=f"{places.airflow}/dags/ingest_fakestore",
        shows=("Latest Run", "carts", "audit"),
        cookies=cookies,
        steps=_expand,
        grows=False,
    )
    yield Shot(
        name="airflow-graph",
        address=f"{places.airflow}/dags/ingest_fakestore",
        shows=("extract", "audit"),
        cookies=cookies,
        steps=_graph,
        grows=False,
    )


def console(url: str) -> Iterator[Shot]:
    """Each page, light and dark, wide and narrow."""
    for page, path in CONSOLE.items():
        for scheme in _SCHEMES:
            for width, size in _SIZES.items():
                yield Shot(
                    name=f"console-{page}-{scheme}-{width}",
                    address=url + path,
                    shows=SHOWS[page],
                    size=size,
                    scheme=scheme,
                )


def dbt(file: Path) -> Iterator[Shot]:
    """A model of gold, described."""
    yield Shot(
        name="dbt-docs",
        address=f"{file.resolve().as_uri()}#!/model/model.ingot.category_revenue",
        shows=("One row per category", "Sum of line totals."),
        grows=False,
    )


def _expand(page: Page) -> None:
    page.get_by_label("Expand all task groups").click()


def _graph(page: Page) -> None:
    page.get_by_label("Show Graph").click()
    page.get_by_label("Expand all task groups").click()
