"""`python -m tests`: the whole suite, as three sessions of pytest; arguments go to each.

The fault suite comes first and alone: it fills the machine. The demo waits for services most of its time, so it goes on
beside all the others, and what it said is printed when it is over.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

FAULTS, DEMO = "tests/faults", "tests/e2e"


def pytest(*arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "pytest", *arguments]


def main(arguments: list[str]) -> int:
    """Runs all tests; the worst exit code of the three sessions."""
    codes = [subprocess.call(pytest(FAULTS, *arguments))]
    with tempfile.TemporaryFile() as said:
        demo = subprocess.Popen(pytest(DEMO, *arguments), stdout=said, stderr=subprocess.STDOUT)
        try:
            codes.append(subprocess.call(pytest("--ignore", FAULTS, "--ignore", DEMO, *arguments)))
        finally:  # also after Ctrl-C, which both were sent: it stops its services
            codes.append(demo.wait())
        said.seek(0)
        sys.stdout.buffer.write(said.read())
        sys.stdout.flush()
    return max(abs(code) for code in codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
