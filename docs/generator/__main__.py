"""Write the references, or say which are stale (exit code 1)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from docs.generator.cli import cli_page
from docs.generator.decisions import decisions_page
from docs.generator.metrics import metrics_page
from docs.generator.settings import settings_page
from ingot.metrics import load_catalogue
from ingot.metrics.mapping import statsd_mapping
from ingot.sources import load_sources

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "localstack"))  # a folder of packages, and none itself


def pages(root: Path) -> dict[Path, str]:
    """Every generated reference of a checkout and its content."""
    from monitoring.files import files as monitoring_files

    folder, monitoring = root / "docs" / "reference", root / "localstack" / "monitoring"
    configured = monitoring_files(load_catalogue(), load_sources(ROOT / "sources"))
    return {
        root / "docs" / "adr" / "README.md": decisions_page(ROOT),
        folder / "cli.md": cli_page(),
        folder / "metrics.md": metrics_page(),
        folder / "settings.md": settings_page(),
        # No pages, and read by programs; what they are made from is the same.
        monitoring / "statsd-mapping.yml": statsd_mapping(load_catalogue()),
        **{monitoring / path: text for path, text in configured.items()},
    }


def stale(root: Path) -> dict[Path, str]:
    """Those that are missing or differ, and what they should be."""
    return {f: text for f, text in pages(root).items() if not f.is_file() or f.read_text(encoding="utf-8") != text}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.generator", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a page is stale")
    check = parser.parse_args().check
    found = stale(ROOT)
    for file, text in found.items():
        if check:
            print(f"{file.relative_to(ROOT)} is not what the code says. Run: make docs", file=sys.stderr)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file.relative_to(ROOT)}")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
