"""Drift: in what a source's records differ from their contract, as a manifest tells it.

A manifest is read by more people than the records are: an example is shown only where the contract classifies the
field as public or internal, and neither names nor value look like secrets or like somebody's data.
"""

from __future__ import annotations

import re

import msgspec

from ingot.contract.model import Contract, Property, snake_case, walk
from ingot.contract.paths import locate, path_text
from ingot.contract.shape import Shape
from ingot.gate import Difference, Gate
from ingot.manifest import Drift

WITHHELD = "withheld"
"""In place of an example, or of a key that is data itself."""

OPEN = ("public", "internal")
"""The classifications of what everybody may see who may see that there is such a stream."""

_JSON = msgspec.json.Encoder(decimal_format="number")
_SHOWN = 60  # characters of an example
_LONGEST_PATH = 256
# Whole words of a name, and what gives it away wherever it stands in it.
_SECRET_WORDS = frozenset(("auth", "cookie", "cvc", "cvv", "pin", "pwd", "session"))
_SECRET_PARTS = ("apikey", "credential", "passw", "privatekey", "secret", "token")
_PERSONAL_WORDS = frozenset(
    [
        *("account", "age", "card", "city", "dob", "ethnicity", "fax", "gender", "geo", "ip", "lat", "lng", "lon"),
        *("long", "mobile", "sex", "street", "tax", "vat", "zip"),
    ]
)
_PERSONAL_PARTS = (
    *("address", "birth", "firstname", "fullname", "health", "iban", "lastname", "mail", "nationality", "nickname"),
    *("passport", "phone", "postal", "postcode", "religion", "salary", "ssn", "surname", "username"),
)
# An address, nine digits that a person may have written in groups, a token.
_TELLING = re.compile(r"@|(?:\d[ .()/-]*){9}|[\w+/=-]{20}")


def observe(gate: Gate) -> tuple[Drift, ...]:
    """The drift of a batch, when all of its pages were checked."""
    return tuple(as_drift(difference, gate.contract) for difference in gate.differences)


def as_drift(difference: Difference, contract: Contract) -> Drift:
    """One difference in words."""
    shape, prop = difference.shape, difference.property
    path = (*difference.path[:-1], _shown_name(difference.path[-1]))
    new: str | None = shape.text if not any(map(is_telling, shape.names)) else " or ".join(sorted(shape.kinds))
    if difference.kind == "missing":
        new = "null" if shape.count else None
    return Drift(
        kind=difference.kind,
        path=path_text(path)[:_LONGEST_PATH],
        old=_described(prop, required=difference.kind == "missing") if prop is not None else None,
        new=new,
        example=_example(difference, contract),
        count=difference.count,
        first_position=difference.first_position,
    )


def stands(drift: Drift, contract: Contract) -> bool:
    """Whether a contract, perhaps a newer one than the drift was seen with, still differs in this."""
    _, prop = locate(contract, drift.path)
    if prop is None or drift.kind == "new":
        return prop is None and drift.kind == "new"
    if drift.kind == "missing" and prop.sparse:
        return False
    return _described(prop, required=drift.kind == "missing") == drift.old


def classification(name: str) -> str:
    """How a new field is to be classified, by its name: ``secret``, ``personal``, or else ``internal``."""
    words = snake_case(name).split("_")
    joined = "".join(words)
    if _SECRET_WORDS & {*words} or any(part in joined for part in _SECRET_PARTS):
        return "secret"
    if _PERSONAL_WORDS & {*words} or any(part in joined for part in _PERSONAL_PARTS):
        return "personal"
    return "internal"


def _described(prop: Property, *, required: bool) -> str:
    physical = prop.physical_type if prop.physical_type not in ("", prop.logical_type) else ""
    described = f"{prop.logical_type} {physical}".strip()
    return f"{described}, {'required' if prop.required else 'optional'}" if required else described


def _example(difference: Difference, contract: Contract) -> str | None:
    if difference.example is None:
        return None
    text = _JSON.encode(difference.example).decode() if _is_plain(difference) else ""
    if not text or not _may_be_shown(difference, contract) or is_telling(text):
        return WITHHELD
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _is_plain(difference: Difference) -> bool:
    return len(difference.shape.names) <= 20 and not difference.shape.overflow


def _may_be_shown(difference: Difference, contract: Contract) -> bool:
    names = {*difference.path, *difference.shape.names} - {"[]"}
    if any(classification(name) != "internal" for name in names):
        return False
    around = [locate(contract, path_text(difference.path[:depth]))[1] for depth in range(1, len(difference.path) + 1)]
    if any(prop is not None and prop.classification not in OPEN for prop in around):
        return False
    # Where a contract has personal data, a text that nobody classified may be some as well.
    discreet = any(prop.classification not in OPEN for prop in walk(contract.properties))
    return difference.property is not None or not (discreet and _holds_text(difference.shape))


def _holds_text(shape: Shape) -> bool:
    inner = [*shape.members.values(), *([shape.items] if shape.items else [])]
    return "string" in shape.kinds or any(map(_holds_text, inner))


def is_telling(text: str) -> bool:
    """Whether a text looks like somebody's address or number, or like a token."""
    return _TELLING.search(text) is not None


def _shown_name(name: str) -> str:
    return f"({WITHHELD})" if is_telling(name) else name
