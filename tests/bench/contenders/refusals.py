"""What a validator tells the benchmark: how many it accepted and refused, and at which paths."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

Refused = list[tuple[int, str]]
"""Position in the page, and path as the gate writes it: ``$.products[0].quantity``."""


def tell(check: Callable[[bytes], tuple[int, Iterable[tuple[int, str]]]], versions: dict[str, str]) -> None:
    """Check each page and print the result.

    Args:
        check: how many records of a page are right, and the others, in order.
    """
    accepted = refused = 0
    paths = hashlib.sha256()
    begun = time.process_time()  # one core, and no waiting: what others do on the machine is left out
    with Path(os.environ["BENCH_PAGES"]).open("rb") as file:
        for page in file:
            right, wrong = check(page)
            first = accepted + refused
            accepted += right
            for position, path in wrong:
                refused += 1
                paths.update(f"{first + position} {path}\n".encode())
    seconds = time.process_time() - begun
    answer = {"accepted": accepted, "refused": refused, "paths": paths.hexdigest()}
    json.dump(answer | {"seconds": seconds, "versions": versions}, sys.stdout)


def path_of(steps: Iterable[str | int]) -> str:
    """``["products", 0, "quantity"]`` → ``$.products[0].quantity``."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
