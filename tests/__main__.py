"""`python -m tests`: the whole suite, as some sessions of pytest; arguments go to each.

The fault suite comes first and alone: it fills the machine. Then two go on at a time, the longest first: the demo waits
for services most of its time. Each has services of its own, and what it said is printed when it is over.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

AT_A_TIME = 2
FAULTS = "tests/faults"
PARTS = ("tests/e2e", "tests/integration/localcloud", "tests/integration/cli")

_printing = threading.Lock()


def main(arguments: Sequence[str]) -> int:
    """Runs all tests; the worst exit code of the sessions."""
    codes = [session([FAULTS], arguments)]
    demo, *parts = PARTS
    others = [f"--ignore={path}" for path in (FAULTS, *PARTS)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:  # after Ctrl-C, which all were sent, `map` starts no other
        codes += pool.map(lambda paths: session(paths, arguments), [[demo], others, *([part] for part in parts)])
    return max(abs(code) for code in codes)


def session(paths: Sequence[str], arguments: Sequence[str]) -> int:
    """Runs one session, prints what it said, and gives its exit code."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "pytest", *paths, *arguments]
        code = subprocess.call(command, stdout=said, stderr=subprocess.STDOUT)
        with _printing:
            print(f"pytest {' '.join(paths)}: exit code {code} after {time.monotonic() - began:.0f} s", flush=True)
            said.seek(0)
            sys.stdout.buffer.write(said.read())
            sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
