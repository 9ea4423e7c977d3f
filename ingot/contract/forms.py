"""Everything that a contract is compiled to, as text, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import msgspec

from ingot.contract.arrow import arrow_schema
from ingot.contract.dbt import staging_files
from ingot.contract.dqdl import ruleset
from ingot.contract.glue import glue_columns
from ingot.contract.lftags import lf_tags
from ingot.contract.odcs import table_contract
from ingot.contract.page import contract_page
from ingot.contract.postgres import create_indexes, create_table
from ingot.naming import table_name
from ingot.sources import Source, Stream


def _arrow(source: Source, stream: Stream) -> str:
    return f"{arrow_schema(stream.contract)}\n"


def _glue(source: Source, stream: Stream) -> str:
    return _json([asdict(column) for column in glue_columns(stream.contract)])


def _ddl(source: Source, stream: Stream) -> str:
    table = table_name(source.name, stream.name)
    statements = create_table(stream.contract, table) + create_indexes(stream.contract, table)
    return "".join(f"{statement};\n" for statement in statements)


def _dbt(source: Source, stream: Stream) -> str:
    files = staging_files(source.name, {stream.name: stream.contract})
    return "\n".join(f"{'--' if name.endswith('.sql') else '#'} {name}\n{text}" for name, text in files.items())


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


FORMS: dict[str, Callable[[Source, Stream], str]] = {
    "arrow": _arrow,
    "glue": _glue,
    "ddl": _ddl,
    "dbt": _dbt,
    "dqdl": lambda source, stream: ruleset(stream.contract),
    "lf-tags": lambda source, stream: _json(lf_tags(source.name, stream.contract)),
    "odcs": lambda source, stream: table_contract(source.name, stream.contract),
    "page": contract_page,
}
"""How each is called on the command line (``ingot contract show --as``), and what prints it."""
