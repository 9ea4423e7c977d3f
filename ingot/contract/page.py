"""From a contract to its page in the documentation: what a record must be, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from ingot.contract.dqdl import ruleset
from ingot.contract.glue import glue_columns
from ingot.contract.lftags import lf_tags
from ingot.contract.lineage import LINEAGE
from ingot.contract.model import Contract, Property, decimal_shape, integer_bits, max_length
from ingot.contract.postgres import column_types
from ingot.gate import Gate
from ingot.markdown import blocks, table
from ingot.naming import landing_prefix, table_name
from ingot.sources import Source, Stream

_GENERATED = 'Generated from {} by "ingot contract compile"; do not edit.'
_MODES = {
    "interval": "a batch holds what falls in its interval",
    "cursor": "a batch goes on from where the one before stopped",
    "snapshot": "a batch asks for all there is and keeps what is new, changed or gone",
    "landed": "a batch takes the objects that no batch before it took",
}
_TOMBSTONES = (
    " Where a key is gone from the source, a row says so: it has the key, the lineage columns and nothing else."
)
_JSON_TYPES = {"object": "object", "array": "list", "boolean": "`true` or `false`", "date": "date (`2020-01-31`)"}
_RULES = ("required", "type", "minimum", "maximum", "scale", "precision", "min_length", "max_length", "pattern")
"""The order of the examples; other rules come last."""


def contract_page(source: Source, stream: Stream) -> str:
    """The page of one stream, in Markdown."""
    contract = stream.contract
    parts = [
        f"# {source.name}.{stream.name}",
        f"<!-- {_GENERATED.format(f'sources/{source.name}/{stream.name}.odcs.yaml')} -->",
        *_about(contract),
        table(*_facts(source, stream)),
        "## What a record must be",
        "A record is accepted or refused whole: one field that breaks its rule, and it goes to the quarantine with"
        " every path, rule and reason. A field that is not listed here is kept in Bronze and reported as drift; it has"
        " no column.",
        table(
            ("field", "", "the gate accepts", "classification", "meaning"),
            (
                (
                    f"`{path}`",
                    "**key**" if prop.primary_key else "required" if prop.required else "",
                    accepts(prop),
                    prop.classification,
                    " ".join(prop.description.split()),
                )
                for path, prop in _walk(contract.properties, "")
            ),
        ),
        "### What is refused, and how the quarantine says it",
        table(("a record with", "path", "rule", "reason"), _refusals(contract)),
        "## What becomes of it",
        f"A row a record: `bronze.{table_name(source.name, stream.name)}` in the warehouse, a table of the same name in"
        " Glue's catalog." + (_TOMBSTONES if stream.mode == "snapshot" else ""),
        table(("column", "from", "Postgres", "Glue and Athena", "LF-tag classification"), _columns(source, contract)),
        *(f"- `{name}`: {meaning}" for name, _, meaning in LINEAGE),
        "- `_load_id` (warehouse only): the number of the load into this table, without gaps.",
        "## Data quality rules",
        "<details><summary>The ruleset for Glue Data Quality (DQDL)</summary>",
        f"```\n{ruleset(contract)}```",
        "</details>",
        f"`ingot contract show {source.name}.{stream.name} --as …` prints what else it is compiled to: `arrow`, `glue`,"
        " `ddl`, `dbt`, `dqdl`, `lf-tags`, `odcs`.",
    ]
    return blocks(parts)


def index_page(sources: Iterable[Source]) -> str:
    """The list of all contracts, in Markdown."""
    rows = [
        (
            f"[{source.name}.{stream.name}]({source.name}.{stream.name}.md)",
            stream.contract.version,
            stream.mode,
            ", ".join(f"`{name}`" for name in stream.contract.primary_key),
            str(len(stream.contract.columns)),
            stream.contract.description,
        )
        for source in sources
        for stream in source.streams.values()
    ]
    return blocks(
        [
            "# Contracts",
            f"<!-- {_GENERATED.format('sources/')} -->",
            "What every stream's records must be, and what becomes of them. The contracts themselves are the files"
            " `sources/{source}/{stream}.odcs.yaml`, in the Open Data Contract Standard.",
            table(("contract", "version", "mode", "key", "columns", "what a record is"), rows),
        ]
    )


def accepts(prop: Property) -> str:
    """What the gate accepts for one field, in words."""
    options = prop.logical_type_options
    low, high = options.minimum, options.maximum
    if prop.source_form == "textOrNumber":
        return f"{accepts(msgspec.structs.replace(prop, custom_properties=()))}; sent as text or as a number"
    match prop.logical_type:
        case "timestamp" | "date" if prop.source_form:
            unit = {"epochMillis": "milliseconds", "epochSeconds": "seconds"}[prop.source_form]
            return f"{prop.logical_type} as whole {unit} since 1970"
        case "integer":
            bits = integer_bits(prop)
            return f"whole number{_range(low, high)}" + ("" if bits == 64 else f" ({bits} bits)")
        case "number":
            shape = decimal_shape(prop)
            if shape is None:
                return f"number{_range(low, high)}"
            digits = f"up to {shape[0] - shape[1]} digits before the point and {shape[1]} after it"
            return f"number{_range(low, high)}; {digits}"
        case "string":
            least = f"{options.min_length} to " if options.min_length else "up to "
            fits = f" that fits `{options.pattern}`" if options.pattern else ""
            return f"text of {least}{max_length(prop)} characters{fits}"
        case "timestamp":
            return "time with its offset (`2020-01-31T12:00:00Z`)"
        case "array":
            assert prop.items is not None
            fewest, most = options.min_items or 0, options.max_items
            size = f"{fewest} to {most}" if most is not None else f"{fewest} or more"
            of = "" if prop.items.logical_type == "object" else f", each {accepts(prop.items)}"
            return f"list of {size}{of}"
        case other:
            return _JSON_TYPES[other]


def _about(contract: Contract) -> list[str]:
    lines = [contract.description]
    for name in ("purpose", "usage", "limitations"):
        if text := contract.about.get(name):
            lines.append(f"**{name.capitalize()}.** {' '.join(str(text).split())}")
    return lines


def _facts(source: Source, stream: Stream) -> tuple[tuple[str, str], list[tuple[str, str]]]:
    """The head and the rows of a table of two columns."""
    contract = stream.contract
    limit = Decimal(str(contract.max_reject_rate)) * 100
    facts = [
        ("source", f"{source.title}, `{_place(source, stream)}`"),
        ("mode", f"`{stream.mode}`: {_MODES[stream.mode]}"),
        ("key", ", ".join(f"`{name}`" for name in contract.primary_key)),
        ("limit", f"a batch with more than {limit.normalize():f} % of refused records is not published"),
    ]
    if stream.fallback is not None:
        other = f"{stream.fallback.base_url.rstrip('/')}{stream.fallback.path}"
        facts.append(("fallback", f"`{other}`, if the source is down; its batches say so"))
    if contract.secrets:
        cut = ", ".join(f"`{name}`" for name in sorted(contract.secrets))
        facts.append(("cut out at the gate", f"{cut}: in no file, table or log, nor in the quarantine"))
    return ("contract", f"`{contract.id}`, version {contract.version}"), facts


def _place(source: Source, stream: Stream) -> str:
    return landing_prefix(source.name, stream.name) if stream.mode == "landed" else f"{source.base_url}{stream.path}"


def _columns(source: Source, contract: Contract) -> Iterator[tuple[str, ...]]:
    paths = {column.name: f"`{'.'.join(column.path)}`" for column in contract.columns}
    glue = {column.name: column.type for column in glue_columns(contract)}
    tags = {name: tag for tag, names in lf_tags(source.name, contract).columns.items() for name in names}
    for name, kind in column_types(contract).items():
        yield f"`{name}`", paths.get(name, "lineage"), f"`{kind}`", f"`{glue[name]}`", tags[name]


def _walk(properties: tuple[Property, ...], prefix: str) -> Iterator[tuple[str, Property]]:
    for prop in properties:
        path = f"{prefix}{prop.name}"
        yield path, prop
        yield from _walk(prop.properties, f"{path}.")
        if prop.items is not None:
            yield from _walk(prop.items.properties, f"{path}[].")


def _refusals(contract: Contract) -> Iterator[tuple[str, ...]]:
    """One example a rule: what the gate itself says of it."""
    gate = Gate(contract)
    found: dict[str, tuple[str, ...]] = {}
    for path, shown, record in _probes(contract.properties, (), ""):
        for violation in (v for refusal in gate.check(b"[%s]" % record, [record]).refused for v in refusal.violations):
            if violation.path == path and violation.rule not in found:
                found[violation.rule] = (shown, f"`{violation.path}`", violation.rule, violation.reason)
    yield from (found[rule] for rule in sorted(found, key=lambda rule: [*_RULES, rule].index(rule)))


def _probes(properties: tuple[Property, ...], above: tuple[str, ...], where: str) -> Iterator[tuple[str, str, bytes]]:
    """Records with one wrong field: the field's path, how the page shows it, and the record."""
    for prop in properties:
        path = f"${where}.{prop.name}"
        if prop.required:
            yield path, f"no `{prop.name}`", json.dumps(_nested(above, {})).encode()
        for text, words in _wrong_values(prop):
            member = json.dumps(_nested(above, {prop.name: "\x01"})).replace('"\\u0001"', text)
            name = json.dumps(prop.name)
            yield path, f"`{name}`: {words}" if words else f"`{name}: {text}`", member.encode()
        yield from _probes(prop.properties, (*above, prop.name), f"{where}.{prop.name}")


def _nested(above: tuple[str, ...], value: Any) -> Any:
    for name in reversed(above):
        value = {name: value}
    return value


def _wrong_values(prop: Property) -> Iterator[tuple[str, str]]:
    """JSON texts that the field must not have, and words for one that is too long to show."""
    options = prop.logical_type_options
    values = ["true" if prop.source_form == "textOrNumber" else "0" if prop.logical_type == "string" else '"one"']
    values += [json.dumps(n + step) for n, step in ((options.minimum, -1), (options.maximum, 1)) if n is not None]
    if shape := decimal_shape(prop):
        values += [f"{Decimal(1).scaleb(-shape[1] - 1):f}", "1" + "0" * (shape[0] - shape[1])]
    if prop.logical_type == "string":
        values += ['"?"', '""']
    if prop.logical_type == "array":
        values.append("[]")
    yield from ((value, "") for value in values)
    if (size := max_length(prop)) is not None:
        yield json.dumps("x" * (size + 1)), f"a text of {size + 1} characters"


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" ≥ {low}" if low is not None else f" ≤ {high}" if high is not None else ""
