"""Take all pictures of the demo that stands, into ``docs/images/screens/``; names given take these only."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from docs.screens.pages import Places, shots
from docs.screens.places import demo_places
from docs.screens.shots import ScreenError, chromium, take

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/images/screens"


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 1 if one of them could not be taken."""
    parser = argparse.ArgumentParser(prog="python -m docs.screens", description=__doc__)
    parser.add_argument("names", nargs="*", help="what their names begin with; else all")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    with demo_places() as places:
        return _take(places, options.folder, tuple(options.names))


def _take(places: Places, folder: Path, names: tuple[str, ...]) -> int:
    failed = 0
    with chromium() as browser:
        for shot in shots(places):
            if names and not shot.name.startswith(names):
                continue
            try:
                file = take(browser, shot, folder)
                print(f"{file.name}  {file.stat().st_size // 1024} kB", flush=True)
            except ScreenError as error:
                failed += 1
                print(f"failed: {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
