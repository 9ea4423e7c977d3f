"""What was recorded of the sources: APIs that the recorded source serves, and files that somebody lets land.

Both are below ``sources/{name}/recorded/``: ``api.yaml``, and files in ``landing/{stream}/``. Fakestore's are the
recorded source's own, with all the trouble that it can make.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

FAKESTORE = "fakestore"


def source_urls(sources: Path, url: str) -> dict[str, str]:
    """Where the recorded source at this address serves which source's API, by the source's name."""
    declared = sorted(file.parent.parent.name for file in sources.glob("*/recorded/api.yaml"))
    return {FAKESTORE: url, **{name: f"{url}/{name}" for name in declared}}


def landing_files(sources: Path) -> Iterator[tuple[str, str, Path]]:
    """Files that land: each with its source and stream, in the order of their names."""
    for file in sorted(sources.glob("*/recorded/landing/*/*")):
        name, _, _, stream, _ = file.relative_to(sources).parts
        yield name, stream, file


def in_batches(sources: Path) -> list[str]:
    """The sources that were recorded, but for those that events are sent to: somebody has to send some first."""
    from ingot.sources import load_sources  # boto3 comes along, and not every command needs it

    recorded = {*source_urls(sources, ""), *(name for name, _, _ in landing_files(sources))}
    return [
        source.name
        for source in load_sources(sources).values()
        if source.name in recorded and not any(stream.delivery for stream in source.streams.values())
    ]
