"""What a command's threads may do."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading

import ingot.cli
from ingot.contract.pattern import Pattern

missed = []
for _ in range(50):
    thread = threading.Thread(target=lambda: missed.extend(Pattern("^[a-z]$").misses(["a", "ab"])))
    thread.start()
    thread.join()
print(missed == [1] * 50)
"""


def test_threads_that_end_may_be_the_first_to_import_pyarrow() -> None:
    """As the console's do, which is then asked for more: the process died of it (apache/arrow#50471)."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)

    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
