"""What every Glue script shares: arguments to a batch, a result to a line of metrics, an error to a verdict."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from ingot.batch import Batch, parse_time
from ingot.errors import IngotError

BATCH_ARGUMENTS = ["source", "stream", "interval_start", "interval_end", "as_of"]
"""The arguments that name a batch; the orchestrator gives them."""


def batch_from(arguments: Mapping[str, str]) -> Batch:
    """The batch that a job's arguments name.

    Raises:
        ConfigurationError: the interval is none.
    """
    return Batch(
        source=arguments["source"],
        stream=arguments["stream"],
        interval_start=parse_time(arguments["interval_start"]),
        interval_end=parse_time(arguments["interval_end"]),
        resolves=arguments.get("resolves", ""),
    )


def given(*names: str) -> list[str]:
    """Those of some optional arguments that this run was started with: ``getResolvedOptions`` wants all it is told."""
    return [name for name in names if any(word.partition("=")[0] == f"--{name}" for word in sys.argv[1:])]


def report(step: str, **metrics: object) -> None:
    """Print one line of JSON: what the step did."""
    print(msgspec.json.encode({"step": step, **metrics}).decode(), flush=True)


@contextmanager
def verdicts() -> Iterator[None]:
    """End the process with the error's verdict as its last line, which Glue reports as the run's message.

    An error that nobody foresaw keeps its traceback; the orchestrator tries it again like a transient one.
    """
    try:
        yield
    except IngotError as error:
        sys.exit(error.verdict)
