"""What each step of a batch may touch: the table of docs/reference/layout.md, as data.

A path is ``{bucket's purpose}/{prefix}``; it always ends in a slash, so that the rights on one source never
reach another whose name begins the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Access:
    """The rights of one step, besides its code, its sources, its logs and the lake's key.

    Attributes:
        read: prefixes whose objects it reads.
        list: prefixes whose keys it lists.
        write: prefixes below which it writes objects.
        warehouse: True: it reads the warehouse's secret.
    """

    read: tuple[str, ...]
    write: tuple[str, ...] = ()
    list: tuple[str, ...] = ()
    warehouse: bool = False

    def of_source(self, source: str) -> Access:
        """The same rights with the source's name filled in."""

        def fill(paths: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(path.format(source=source) for path in paths)

        return Access(read=fill(self.read), write=fill(self.write), list=fill(self.list), warehouse=self.warehouse)


_DATA, _QUARANTINE = "bronze/data/{source}/", "bronze/quarantine/{source}/"
_MANIFESTS, _ATTEMPTS = "bronze/manifests/{source}/", "bronze/attempts/{source}/"
_PARQUET = "lake/bronze/{source}/"

ACCESS: Mapping[str, Access] = {
    "extract": Access(read=(_MANIFESTS,), list=(_MANIFESTS,), write=(_DATA, _QUARANTINE, _MANIFESTS, _ATTEMPTS)),
    "refine": Access(read=(_MANIFESTS, _DATA), write=(_PARQUET, _ATTEMPTS)),
    "load": Access(read=(_MANIFESTS, _PARQUET), write=(_ATTEMPTS,), warehouse=True),
    "audit": Access(
        read=(_MANIFESTS, _ATTEMPTS, _QUARANTINE),
        list=(_MANIFESTS, _ATTEMPTS, _QUARANTINE),
        warehouse=True,
    ),
}
