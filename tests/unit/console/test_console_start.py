"""What is imported when the console begins to answer."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, sys
from types import SimpleNamespace

from ingot.console.app import create_app
from ingot.console.settings import Settings

nothing = lambda: None
app = create_app(SimpleNamespace(settings=Settings(), vega=SimpleNamespace(start=nothing), close=nothing))

async def begin():
    async with app.router.lifespan_context(app):
        from ingot.console.pages import business, runs
        print({"altair", "pandas", "pyarrow", "duckdb"} & set(sys.modules))

asyncio.run(begin())
"""


def test_it_answers_without_what_takes_seconds_to_import() -> None:
    """Neither of Altair, which the first visitor would wait for, nor of what only jobs need."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)

    assert (done.stdout, done.returncode) == ("set()\n", 0), done.stderr
