"""Where the demo is whose state ``INGOT_HOME`` names, and a console of our own that reads it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from docs.screens.pages import Places
from docs.screens.shots import ScreenError

if TYPE_CHECKING:
    from laptop.services import Laptop

ROOT = Path(__file__).resolve().parents[2]
DBT_PAGE = ROOT / "build/dbt-docs/static_index.html"


@contextmanager
def demo_places() -> Iterator[Places]:
    """All of them; the console runs as long as they are wanted.

    Raises:
        ScreenError: no demo stands there, or dbt's documentation was not made.
    """
    from laptop.airflow import USER, Airflow
    from laptop.paths import Home
    from laptop.services import Laptop

    laptop = Laptop(home=Home.find())
    airflow = Airflow(laptop)
    if not laptop.home.env.exists() or not all(part.process() for part in airflow.services):
        raise ScreenError(f"No demo stands in {laptop.home.folder}. Next: make demo")
    if not DBT_PAGE.is_file():
        raise ScreenError(f"{DBT_PAGE} is missing. Next: make site")
    with console_of(laptop) as url:
        yield Places(airflow=airflow.url, user=USER, password=airflow.password, console=url, dbt=DBT_PAGE)


@contextmanager
def console_of(laptop: Laptop) -> Iterator[str]:
    """`ingot ui` at a free port; its URL.

    Raises:
        ScreenError: it does not start.
    """
    inherited = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "INGOT_"))}
    command = [sys.executable, "-m", "ingot.cli", "ui", "--port", "0", "--no-open"]
    environment = {**inherited, "INGOT_HOME": str(laptop.home.folder), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = re.search(r"http://\S+", process.stdout.readline())
            if said is None:
                raise ScreenError(f"{' '.join(command[2:])} ended with {process.wait()}, and said why above.")
            yield said[0].rstrip("/")
        finally:
            process.terminate()
