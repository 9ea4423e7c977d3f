"""Options that commands share, and what becomes of a value that is none."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from ingot.batch import parse_time
from ingot.errors import ConfigurationError

INTERRUPTED = 130
"""The exit code of a command that a person stopped (128 and the number of SIGINT)."""


def _moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from error


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many rows.")]
OfSource = Annotated[str | None, typer.Option(help="Of this source only.")]
OfStream = Annotated[str | None, typer.Option(help="Of this stream only.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before.")]
AtOnce = Annotated[int, typer.Option("--concurrency", min=1, max=20, help="How many batches run at once.")]
From = Annotated[
    datetime, typer.Option("--from", parser=_moment, metavar="TIME", help="From this time (ISO 8601, UTC).")
]
To = Annotated[datetime, typer.Option("--to", parser=_moment, metavar="TIME", help="Up to this time, without it.")]
FromIfGiven = Annotated[
    datetime | None,
    typer.Option("--from", parser=_moment, metavar="TIME", help="From this time (ISO 8601, UTC); else the start date."),
]
AtIfGiven = Annotated[
    datetime | None, typer.Option("--at", parser=_moment, metavar="TIME", help="As of this time; else now.")
]
ToIfGiven = Annotated[
    datetime | None, typer.Option("--to", parser=_moment, metavar="TIME", help="Up to this time; else up to now.")
]
