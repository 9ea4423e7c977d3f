"""Runs dbt commands in one process, since starting dbt costs more than running it. For the interpreter dbt is in.

Reads one JSON list of arguments a line and answers each with one JSON list of what failed or warned.
"""

import json
import os
import sys

from dbt.cli.main import dbtRunner

FINE = {"success", "pass"}


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what dbt prints must not come between the answers
    manifest = None
    for line in sys.stdin:
        runner = dbtRunner(manifest=manifest)
        outcome = runner.invoke(json.loads(line))
        problems = [str(outcome.exception)] if outcome.exception else []
        for result in getattr(outcome.result, "results", []):
            if result.status not in FINE:
                problems.append(f"{result.status} {result.node.name}: {result.message}")
        manifest = runner.manifest or manifest
        print(json.dumps(problems), file=answers, flush=True)


if __name__ == "__main__":
    main()
