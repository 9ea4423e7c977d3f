"""`getResolvedOptions` as Glue 6.0 has it: arguments must be spelt out, and a missing one is an error."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

__all__ = ["GlueArgumentError", "getResolvedOptions"]

# Glue gives every job these; a script may not ask for them by name.
_RESERVED = (
    "job-bookmark-option",
    "job-bookmark-from",
    "job-bookmark-to",
    "JOB_ID",
    "JOB_RUN_ID",
    "SECURITY_CONFIGURATION",
    "encryption-type",
)
_OPTIONAL = ("TempDir", "RedshiftTempDir")


class GlueArgumentError(Exception):
    """The job's arguments do not fit what the script asks for."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(message)


def getResolvedOptions(args: Sequence[str], options: Sequence[str]) -> dict[str, Any]:
    """The values of `options` among `args` (`sys.argv`), with Glue's own (`JOB_RUN_ID` and so on).

    Raises GlueArgumentError for an option that is missing, RuntimeError for a reserved one.
    """
    parser = _Parser(add_help=False, allow_abbrev=False)
    for name in _RESERVED:
        if name in options:
            raise RuntimeError(f"Using reserved arguments --{name}")
        parser.add_argument(f"--{name}")
    for name in _OPTIONAL:
        parser.add_argument(f"--{name}")
    for name in options:
        if name not in _OPTIONAL:
            parser.add_argument(f"--{name}", required=True)
    parsed, _ = parser.parse_known_args(list(args[1:]))
    values = vars(parsed)
    values["job_bookmark_option"] = values["job_bookmark_option"] or "job-bookmark-disable"
    values["TempDir"] = values["RedshiftTempDir"] = values["TempDir"] or values["RedshiftTempDir"]
    return values
