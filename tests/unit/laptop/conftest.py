"""A state folder of a test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from laptop.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    for folder in (made.run, made.logs, made.airflow):
        folder.mkdir(parents=True)
    return made
