"""From a contract to the Glue Data Quality ruleset of its refined table, in DQDL.

The language is described at https://docs.aws.amazon.com/glue/latest/dg/dqdl.html; its grammar is
https://github.com/awslabs/dqdl, and https://github.com/awslabs/deequ shows how rules are evaluated. What counts here:

- ``ColumnValues`` fails for a NULL, and any rule fails whose ``where`` finds no row: what is asked of a column that
  may lack a value is asked only where it has one, or there must be none.
- ``between`` leaves out both ends, and ``matches`` wants the whole value, by Java's regular expressions; the gate
  searches, by RE2's.
- There are no rules for lists and structs, not even ``IsComplete``.

Every rule holds for a table that the gate filled: a key may stand there in many versions, and a deleted key's row has
nothing but the key. What DQDL cannot say stands in the ruleset as a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from ingot.contract.lineage import LINEAGE
from ingot.contract.model import Column, Contract, Property, column_name, max_length

# What Java reads in another way than RE2, or one of them not at all: groups but plain ones, some escapes, possessive
# quantifiers, sets within sets, a `]` that begins a set and a brace that counts nothing.
_SPECIALITIES = re.compile(
    r"\(\?(?!:)|\\[ACzZGQENpPkKRXhHvVuU0-9]|[*+?}]\+|&&|\[[^\]]*\[|\[\^?\]|(?<!\\)\{(?!\d+(?:,\d*)?\})"
)
_ESCAPES_AND_SETS = re.compile(r"\\.|\[[^\]]*\]")


def ruleset(contract: Contract) -> str:
    """The ruleset, ready for ``AWS::Glue::DataQualityRuleset`` or a Glue job's ``EvaluateDataQuality``."""
    rules = [*_lineage(), *(rule for column in contract.columns for rule in _column(column, contract))]
    last = max(place for place, rule in enumerate(rules) if not rule.startswith("#"))
    listed = [f"    {rule}{'' if place == last or rule.startswith('#') else ','}" for place, rule in enumerate(rules)]
    return "\n".join(
        [
            f"# What the refined table of {contract.id}, version {contract.version}, must be.",
            "# Types are those of the Parquet itself; that a value has its type is the gate's to check.",
            "Rules = [",
            *listed,
            "]\n",
        ]
    )


def _lineage() -> list[str]:
    # Of a key of several columns Deequ asks only that it is unique.
    rules = ['IsPrimaryKey "_batch_id" "_line"', 'ColumnValues "_line" >= 0']
    rules += [f'IsComplete "{name}"' for name, _, _ in LINEAGE]
    return [*rules, 'ColumnLength "_record_hash" = 64']


def _column(column: Column, contract: Contract) -> Iterator[str]:
    name = column.name.replace('"', '\\"')
    if column.property.logical_type == "array":
        yield f'ColumnExists "{name}"'
        needed = "" if column.nullable else "required; "
        yield f"# {name}: {needed}{_array(column.property)}. DQDL has no rules for lists: the gate alone checks them."
        return
    if column.nullable:
        yield f'ColumnExists "{name}"'
        # Only a record has a value: no need to say that the key is not deleted.
        where = f' where "`{name}` is not null"'
    else:
        where = "" if column.path[0] in contract.primary_key else ' where "_deleted = false"'
        yield f'IsComplete "{name}"{where}'
    for rule, reason in _constraints(column.property, name):
        if not rule:
            yield f"# {column.name}: {reason}"
        elif column.nullable:
            yield f"({rule}{where}) or (RowCount = 0{where})"
        else:
            yield f"{rule}{where}"


def _constraints(prop: Property, name: str) -> Iterator[tuple[str, str]]:
    """Rules without their ``where``; or none, and what cannot be said."""
    options = prop.logical_type_options
    for sign, bound in ((">=", options.minimum), ("<=", options.maximum)):
        if bound is not None:
            yield f'ColumnValues "{name}" {sign} {_number(prop, bound)}', ""
    if prop.logical_type != "string":
        return
    if options.min_length:
        yield f'ColumnLength "{name}" >= {options.min_length}', ""
    yield f'ColumnLength "{name}" <= {max_length(prop)}', ""
    if options.pattern is not None:
        pattern = _java(options.pattern)
        rule = f'ColumnValues "{name}" matches "{pattern}"' if pattern is not None else ""
        yield rule, f"matches {options.pattern!a}. Glue might read it in another way: the gate alone checks it."


def _number(prop: Property, bound: float) -> str:
    # As the gate takes it: an integer's bound without its fraction.
    return f"{Decimal(int(bound)) if prop.logical_type == 'integer' else Decimal(str(bound)):f}"


def _java(pattern: str) -> str | None:
    """A pattern that is searched for as one that a whole value matches in Java; None if they may differ.

    Glue counts an empty match as none, so that a pattern which an empty text matches is left out too.
    """
    if _SPECIALITIES.search(pattern) or not pattern.isprintable() or re.search(pattern, "") is not None:
        return None
    whole = pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$") and "|" not in pattern
    java = pattern if whole else rf"[\s\S]*(?:{pattern})[\s\S]*"
    java = re.sub(r'((?:^|[^\\])(?:\\\\)*)"', r'\1\\"', java)
    # To Java a point is no line end of any kind, to RE2 only no \n.
    return f"(?d){java}" if "." in _ESCAPES_AND_SETS.sub("", pattern) else java


def _array(prop: Property) -> str:
    assert prop.items is not None
    options = prop.logical_type_options
    fewest, most = options.min_items or 0, options.max_items
    size = f"a list of {fewest} to {most} items" if most is not None else f"a list of {fewest} or more items"
    inner = [f"{column_name(p)}{' (required)' if p.required else ''}" for p in prop.items.open_properties]
    return f"{size}, each with {', '.join(inner)}" if inner else size
