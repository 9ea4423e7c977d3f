"""What each step of a batch may touch: the table of docs/reference/layout.md, as data.

A path is ``{bucket's purpose}/{prefix}``; it always ends in a slash, so that the rights on one source never
reach another whose name begins the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Access:
    """The rights of one job, besides its code, its logs and the lake's key.

    Attributes:
        read: prefixes whose objects it reads.
        list: prefixes whose keys it lists.
        write: prefixes below which it writes objects.
        warehouse: True: it reads the warehouse's secret.
        source: True: it reads the source's secret, if the source has one.
        contracts: True: it reads the sources and their contracts.
        landing: True: it takes what lands for the source, if something does.
    """

    read: tuple[str, ...]
    write: tuple[str, ...] = ()
    list: tuple[str, ...] = ()
    warehouse: bool = False
    source: bool = False
    contracts: bool = True
    landing: bool = False

    def of_source(self, source: str, *, lands: bool = False) -> Access:
        """The same rights with the source's name filled in.

        Args:
            lands: whether something lands for it.
        """
        landing = (_LANDING,) if self.landing and lands else ()

        def fill(paths: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(path.format(source=source) for path in paths)

        read, listed = (*self.read, *landing), (*self.list, *landing)
        return replace(self, read=fill(read), write=fill(self.write), list=fill(listed))


_DATA, _DELETES = "bronze/data/{source}/", "bronze/deletes/{source}/"
_MANIFESTS, _ATTEMPTS = "bronze/manifests/{source}/", "bronze/attempts/{source}/"
_SEQUENCE, _KNOWN = "bronze/sequence/{source}/", "bronze/known/{source}/"
_LANDING = "bronze/landing/{source}/"
_QUARANTINE, _PARQUET = "bronze/quarantine/{source}/", "lake/bronze/{source}/"

ACCESS: Mapping[str, Access] = {
    "extract": Access(
        read=(_MANIFESTS, _SEQUENCE, _KNOWN),
        list=(_MANIFESTS, _SEQUENCE, _ATTEMPTS),
        write=(_DATA, _DELETES, _QUARANTINE, _MANIFESTS, _SEQUENCE, _KNOWN, _ATTEMPTS),
        source=True,
        landing=True,
    ),
    "refine": Access(read=(_MANIFESTS, _DATA, _DELETES), list=(_ATTEMPTS,), write=(_PARQUET, _ATTEMPTS)),
    "load": Access(read=(_MANIFESTS, _PARQUET), list=(_ATTEMPTS,), write=(_ATTEMPTS,), warehouse=True),
    "audit": Access(
        read=(_MANIFESTS, _ATTEMPTS, _QUARANTINE), list=(_MANIFESTS, _ATTEMPTS), warehouse=True, contracts=False
    ),
    "replay": Access(
        read=(_MANIFESTS, _DATA, _QUARANTINE),
        list=(_MANIFESTS, _ATTEMPTS),
        write=(_DATA, _QUARANTINE, _MANIFESTS, _ATTEMPTS),
    ),
    "rebuild": Access(
        read=(_MANIFESTS, _DATA, _DELETES, _PARQUET, _ATTEMPTS, _QUARANTINE),
        list=(_MANIFESTS, _ATTEMPTS, _PARQUET),
        write=(_PARQUET, _ATTEMPTS),
        warehouse=True,
    ),
}

_SHOWN = (
    *(f"bronze/{kind}/" for kind in ("manifests", "attempts", "quarantine", "landing")),
    "artifacts/sources/",
    "dags/dags/dbt/models/",
    "dags/dags/dbt/target/",
)
CONSOLE = Access(read=_SHOWN, list=_SHOWN)
"""What the console reads, of all sources: it writes nothing, and of what was accepted it reads no record."""
CONSOLE_JOBS = ("replay", "refine", "load", "audit")
"""What a replay or a discard runs, one after the other."""
