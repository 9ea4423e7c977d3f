"""What changed between two versions of a contract, and whom it breaks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingot.contract import Contract, load_contract
from ingot.contract.compatibility import bumped, compare, judge
from ingot.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / ".venv-datacontract" / "bin" / "datacontract"
PRODUCTS = (ROOT / "sources" / "fakestore" / "products.odcs.yaml").read_text()
CARTS = (ROOT / "sources" / "fakestore" / "carts.odcs.yaml").read_text()
USERS = (ROOT / "sources" / "fakestore" / "users.odcs.yaml").read_text()
NEW = {"name": "discount", "logicalType": "number", "physicalType": "decimal(10,2)", "classification": "internal"}

Document = dict[str, Any]
Edit = Callable[[Document], object]


def fields(document: Document) -> list[Document]:
    return document["schema"][0]["properties"]


def field(document: Document, path: str) -> Document:
    found: Document = document["schema"][0]
    for name in path.split("."):
        (found,) = (p for p in (found.get("items") or found)["properties"] if p["name"] == name)
    return found


def say(path: str, **values: Any) -> Edit:
    """Give keys of a field other values; None removes one."""

    def edit(document: Document) -> None:
        found = field(document, path)
        found.update(values)
        for name in [name for name, value in values.items() if value is None]:
            del found[name]

    return edit


def bound(path: str, **values: Any) -> Edit:
    def edit(document: Document) -> None:
        options = field(document, path).get("logicalTypeOptions", {}) | values
        field(document, path)["logicalTypeOptions"] = {n: v for n, v in options.items() if v is not None}

    return edit


def edited(edit: Edit, text: str = PRODUCTS, version: str = "1.0.0") -> str:
    document = yaml.safe_load(text)
    edit(document)
    return yaml.safe_dump({**document, "version": version}, sort_keys=False)


# What is changed in the products' contract, what that is to us, and whether datacontract-cli calls it an error for
# readers or for the source. Where the two differ, the reason stands beside it.
CHANGES: list[tuple[str, str, bool, Edit]] = [
    ("field removed", "breaking", True, lambda d: fields(d).remove(field(d, "image"))),
    ("optional field added", "compatible", True, lambda d: fields(d).append(NEW)),  # it: older tables lack the column
    ("required field added", "breaking", True, lambda d: fields(d).append(NEW | {"required": True})),
    ("required → optional", "breaking", True, say("price", required=False)),
    ("optional → required", "breaking", True, say("image", required=True)),
    ("decimal(10,2) → decimal(10,1)", "breaking", True, say("price", physicalType="decimal(10,1)")),
    ("decimal(10,2) → decimal(10,4)", "breaking", True, say("price", physicalType="decimal(10,4)")),
    ("decimal(10,2) → decimal(12,2)", "compatible", True, say("price", physicalType="decimal(12,2)")),  # it: any type
    ("decimal(10,2) → double", "breaking", True, say("price", physicalType="double")),
    ("64 bits → integer of 32 bits", "breaking", True, say("id", physicalType="integer")),
    ("32 bits → integer of 64 bits", "compatible", True, say("rating.count", physicalType="bigint")),  # it: any type
    ("string of 1024 characters → string of 512", "breaking", True, bound("image", maxLength=512)),
    ("string of 1024 characters → string of 2048", "compatible", True,  # it: readers may meet longer texts
     lambda d: (say("image", physicalType="varchar(2048)")(d), bound("image", maxLength=2048)(d))),
    ("→ timestamp", "breaking", True,
     say("image", logicalType="timestamp", physicalType="timestamptz", logicalTypeOptions=None)),
    ("column image → picture", "breaking", True, say("image", physicalName="picture")),
    ("minimum 0 → none", "compatible", True, bound("price", minimum=None)),  # it: readers may meet other values
    ("maximum 5 → 6", "compatible", True, bound("rating.rate", maximum=6)),  # likewise
    ("maximum 5 → 4", "breaking", True, bound("rating.rate", maximum=4)),
    ("min_length none → 2", "breaking", True, bound("image", minLength=2)),
    ("pattern none → ^h", "breaking", True, bound("image", pattern="^h")),
    ("public → personal", "compatible", False, say("category", classification="personal")),
    ("public → secret", "breaking", False, say("image", classification="secret")),  # it reads no classifications
    ("maxRejectRate 0.1 → 0.2", "compatible", False, lambda d: d["customProperties"][0].update(value=0.2)),
    ("→ urn:other", "breaking", False, lambda d: d.update(id="urn:other")),  # it compares what it is given
]  # fmt: skip


def read(text: str) -> Contract:
    return load_contract(text, origin="x")


@pytest.mark.parametrize(("what", "kind", "_", "edit"), CHANGES, ids=[change[0] for change in CHANGES])
def test_each_change_is_found_and_judged(what: str, kind: str, _: bool, edit: Edit) -> None:
    changes = list(compare(read(PRODUCTS), read(edited(edit))))
    assert any(what in change.what for change in changes), changes
    assert {change.kind for change in changes} == {kind}


def test_descriptions_and_order_are_no_change() -> None:
    def edit(document: Document) -> None:
        fields(document).reverse()
        field(document, "price")["description"] = "What it costs."

    assert list(compare(read(PRODUCTS), read(edited(edit)))) == []


def test_what_was_secret_never_comes_out_without_a_major_version() -> None:
    for edit in (
        say("password", classification="personal"),
        lambda document: fields(document).remove(field(document, "password")),
    ):
        (change,) = compare(read(USERS), read(edited(edit, USERS)))
        assert (change.path, change.kind) == ("$.password", "breaking")
        assert "leak" in change.why


def test_data_that_is_less_protected_is_a_breaking_change() -> None:
    (change,) = compare(read(USERS), read(edited(say("phone", classification="public"), USERS)))
    assert (change.path, change.kind) == ("$.phone", "breaking")


def test_another_primary_key_is_a_breaking_change() -> None:
    def edit(document: Document) -> None:
        say("id", primaryKey=None, primaryKeyPosition=None)(document)
        say("title", primaryKey=True)(document)

    changes = compare(read(PRODUCTS), read(edited(edit)))
    assert [(c.kind, c.what) for c in changes] == [("breaking", "primary key id → title")]


def test_inside_arrays_too() -> None:
    (change,) = compare(read(CARTS), read(edited(say("products.quantity", required=False), CARTS)))
    assert (change.path, change.what) == ("$.products[].quantity", "required → optional")


class TestVersions:
    BREAKING = staticmethod(lambda d: fields(d).remove(field(d, "image")))
    COMPATIBLE = staticmethod(lambda d: fields(d).append(NEW))
    NOTHING = staticmethod(lambda d: None)

    @pytest.mark.parametrize(
        ("edit", "version", "refused"),
        [
            (NOTHING, "1.0.0", False),
            (BREAKING, "1.0.0", True),
            (BREAKING, "1.9.0", True),
            (BREAKING, "2.0.0", False),
            (COMPATIBLE, "1.0.0", True),
            (COMPATIBLE, "1.0.1", False),
            (COMPATIBLE, "1.1.0", False),
            (NOTHING, "0.9.0", True),
        ],
    )
    def test_a_change_needs_its_version(self, edit: Edit, version: str, refused: bool) -> None:
        new = read(edited(edit, version=version))
        verdicts = judge({"a.b": read(PRODUCTS)}, {"a.b": new}, retired=frozenset())
        assert any(verdict.problem for verdict in verdicts) is refused

    def test_a_contract_goes_only_after_it_said_so(self) -> None:
        old = {"a.b": read(PRODUCTS)}
        assert judge(old, {}, retired=frozenset())[0].problem is not None
        assert judge(old, {}, retired=frozenset({"a.b"}))[0].problem is None

    def test_a_new_contract_breaks_nobody(self) -> None:
        (verdict,) = judge({}, {"a.b": read(PRODUCTS)}, retired=frozenset())
        assert (verdict.old, verdict.problem) == (None, None)

    def test_a_version_that_is_none_is_refused(self) -> None:
        assert bumped("1.2.3", "major") == "2.0.0"
        assert bumped("1.2.3", "minor") == "1.3.0"
        with pytest.raises(ConfigurationError, match="is no version"):
            bumped("1.2", "minor")


def test_another_tool_finds_what_we_find_but_for_the_differences_named_above(tmp_path: Path) -> None:
    """datacontract-cli grades a change for readers and for the source; both are ours to keep."""
    assert TOOL.exists(), "run `make .venv-datacontract/.made`, as `make test` does"
    (tmp_path / "old.yaml").write_text(PRODUCTS)
    files = [tmp_path / f"{number}.yaml" for number in range(len(CHANGES))]
    for file, (_, _, _, edit) in zip(files, CHANGES, strict=True):
        file.write_text(edited(edit))
    script = (
        "import sys\n"
        "from datacontract.data_contract import DataContract\n"
        "from open_data_contract_standard.model import OpenDataContractStandard as Odcs\n"
        "old, *every = [DataContract(data_contract=Odcs.from_file(file)) for file in sys.argv[1:]]\n"
        "for new in every:\n"
        "    print(any(old.breaking(new, perspective=p).is_breaking for p in ('consumer', 'producer')))\n"
    )
    done = subprocess.run(
        [str(TOOL.parent / "python"), "-c", script, str(tmp_path / "old.yaml"), *map(str, files)],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers = zip((change[0] for change in CHANGES), done.stdout.split(), strict=True)
    assert {what: answer == "True" for what, answer in answers} == {what: theirs for what, _, theirs, _ in CHANGES}
