"""What the interpreter that runs this has: printed as JSON, its version, and of each package named its own.

A script, as the job's interpreter need not be the local cloud's.
"""

import importlib.metadata
import json
import sys


def version(name: str) -> dict[str, object] | None:
    """The package's version, and whether it is in place for good: a checkout (PEP 610) may change under its version."""
    try:
        package = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    return {"version": package.version, "released": package.read_text("direct_url.json") is None}


if __name__ == "__main__":
    print(json.dumps({"python": sys.version_info[:2], "packages": {name: version(name) for name in sys.argv[1:]}}))
