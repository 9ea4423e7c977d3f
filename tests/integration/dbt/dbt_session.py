"""Runs dbt commands in one process, since starting dbt costs more than running it. For the interpreter dbt is in.

Reads one JSON list of arguments a line and answers each with one JSON list of what failed or warned. What `compile
--inline` makes, which dbt only prints, is put beside the other artifacts, as `inline.sql`.
"""

import json
import os
import sys
from pathlib import Path

from dbt.cli.main import dbtRunner

FINE = {"success", "pass"}


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what dbt prints must not come between the answers
    manifest = None
    for line in sys.stdin:
        runner = dbtRunner(manifest=manifest)
        arguments = json.loads(line)
        outcome = runner.invoke(arguments)
        problems = [str(outcome.exception)] if outcome.exception else []
        for result in getattr(outcome.result, "results", []):
            if result.status not in FINE:
                problems.append(f"{result.status} {result.node.name}: {result.message}")
            elif "--inline" in arguments:
                target = Path(arguments[arguments.index("--target-path") + 1])
                (target / "inline.sql").write_text(result.node.compiled_code, encoding="utf-8")
        manifest = runner.manifest or manifest
        print(json.dumps(problems), file=answers, flush=True)


if __name__ == "__main__":
    main()
