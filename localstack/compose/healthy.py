"""The health check of every container of ours: ``python healthy.py URL [PART]``, by the standard library.

It fails unless the URL answers 200, and with a part, unless the answer is Airflow's health and calls the part healthy.
"""

from __future__ import annotations

import json
import sys
import urllib.request


def main(url: str, part: str | None = None) -> None:
    """Raises OSError if nothing answers 200, SystemExit if the part is not healthy."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - from docker-compose.yml
        body = answer.read()
    if part and (status := json.loads(body)[part]["status"]) != "healthy":
        sys.exit(f"{part} is {status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
