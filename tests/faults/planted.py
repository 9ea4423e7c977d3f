"""Bugs, each planted in the jobs only: a suite that cannot find them proves nothing."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.job import Job

PLANTS: dict[str, Callable[[Job], None]] = {}
