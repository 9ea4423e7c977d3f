"""What is in an account, by the services' own calls: for each resource type, everything of it that there is.

`KINDS` is the table; its rows are in `kinds/`, a module a field. A type of resource that a stack has and the table has
not fails `test_localcloud_deployed.py`: add a function that lists all of it, with the properties as templates name
them. Properties are compared whole, so that a row which cannot read one back says in `unseen` why.
"""

from __future__ import annotations

from tests.integration.localcloud.kinds import (
    access,
    catalog,
    database,
    network,
    running,
    storage,
    stream,
    watching,
)
from tests.integration.localcloud.kinds.storage import OBJECT, buckets
from tests.integration.localcloud.kinds.table import KINDS, Account

__all__ = [
    "KINDS",
    "OBJECT",
    "Account",
    "access",
    "buckets",
    "catalog",
    "database",
    "network",
    "running",
    "storage",
    "stream",
    "watching",
]
