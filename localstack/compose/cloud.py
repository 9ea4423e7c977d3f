"""The local cloud as a container: ``python cloud.py URL ARGUMENT…``, with the recorded source at that address.

Jobs run as its children, so that it carries where they find the sources that were recorded.
"""

from __future__ import annotations

import os
import sys

from laptop.paths import CHECKOUT
from laptop.recordings import source_urls


def main(url: str, *arguments: str) -> None:
    """Becomes the local cloud."""
    variables = {f"INGOT_SOURCE_URL_{name.upper()}": at for name, at in source_urls(CHECKOUT / "sources", url).items()}
    os.execve(sys.executable, [sys.executable, "-m", "localcloud", *arguments], {**os.environ, **variables})  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
