"""Every template is in the repository as it was last agreed on, so that a review sees what a change does to it.

`snapshots/prod/` has prod's templates in full, one file a stack. `snapshots/{environment}.yaml` has what the other
environments differ in, path by path: together that is every template, and a reader sees what an environment is.
What changes without a meaning (hashes of uploaded files, the library's version, the account) is left out.

`make snapshots` writes them again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ingot import __version__
from tests.unit.infra.conftest import ENVIRONMENTS

FOLDER = Path(__file__).with_name("snapshots")
FULL = "prod"
OTHERS = tuple(environment for environment in ENVIRONMENTS if environment != FULL)
RENEW = "SNAPSHOTS"
"""Set by `make snapshots`: the files are written, not compared."""


def test_templates_are_as_they_were_agreed_on(every: Mapping[str, Any]) -> None:
    now = snapshots(every)
    if os.environ.get(RENEW) == "renew":
        renew(FOLDER, now)

    assert differences(FOLDER, now) == {}, "if they are meant: make snapshots"


def test_a_change_in_one_environment_is_seen_there_alone(every: Mapping[str, Any], tmp_path: Path) -> None:
    agreed = snapshots(every)
    renew(tmp_path, agreed)
    changed = {**every, "dev": changed_copy(every["dev"])}

    assert differences(tmp_path, agreed) == {}
    assert set(differences(tmp_path, snapshots(changed))) == {"dev.yaml"}
    assert set(differences(tmp_path, {**agreed, "prod/new.yaml": "{}\n"})) == {"prod/new.yaml"}
    del agreed["prod/lake.yaml"]
    assert set(differences(tmp_path, agreed)) == {"prod/lake.yaml"}, "a stack that is gone"


def test_what_differs_without_a_meaning_is_left_out() -> None:
    other = json.loads(json.dumps(["a" * 64 + ".zip", f"ingot-{__version__}.gluewheels.zip"]))

    assert plain(other, "prod") == ["<hash>.zip", "ingot-<version>.gluewheels.zip"]
    assert plain({"Name": "ingot-dev-lake", "Key": "ingot/dev/warehouse"}, "dev") == {
        "Name": "ingot-<environment>-lake",
        "Key": "ingot/<environment>/warehouse",
    }


def snapshots(every: Mapping[str, Any]) -> dict[str, str]:
    """File → content, below the folder."""
    plains = {name: plain(assembly.templates, name) for name, assembly in every.items()}
    files = {f"{FULL}/{purpose}.yaml": dump(template) for purpose, template in plains[FULL].items()}
    for environment in OTHERS:
        files[f"{environment}.yaml"] = dump(dict(compare(plains[FULL], plains[environment], environment)))
    return files


def plain(value: Any, environment: str) -> Any:
    """A template without what changes without a meaning, and without the environment's name in names."""
    match value:
        case dict():
            return {plain(key, environment): plain(inner, environment) for key, inner in value.items()}
        case list():
            return [plain(inner, environment) for inner in value]
        case str():
            value = re.sub(r"\b[0-9a-f]{64}\b", "<hash>", value)
            value = re.sub(r"(?<!\d)(0{12}|1{12})(?!\d)", "<account>", value)
            value = value.replace(f"ingot-{__version__}.", "ingot-<version>.")
            return re.sub(rf"(?i)\b(ingot[-/_ ]){environment}(?![a-z0-9])", r"\1<environment>", value)
        case _:
            return value


def compare(full: Any, other: Any, environment: str, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Path → both values, where they differ. What only one side has stays whole."""
    if isinstance(full, dict) and isinstance(other, dict):
        for key in sorted(full.keys() | other.keys()):
            inner = f"{path} / {key}" if path else key
            yield from compare(full.get(key, _ABSENT), other.get(key, _ABSENT), environment, inner)
    elif full != other:
        yield path, {side: value for side, value in ((FULL, full), (environment, other)) if value is not _ABSENT}


_ABSENT = object()


def dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=True, width=120, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Lists indented below their key, and nothing by reference: a reader looks at one place."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def differences(folder: Path, now: Mapping[str, str]) -> dict[str, str]:
    """File → what is the matter with it: it is not there, it is there and should not be, or it differs."""
    there = {str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in folder.rglob("*.yaml")}
    return {
        name: "missing" if name not in there else "superfluous" if name not in now else "differs"
        for name in sorted(there.keys() | now.keys())
        if there.get(name) != now.get(name)
    }


def renew(folder: Path, now: Mapping[str, str]) -> None:
    for file in folder.rglob("*.yaml"):
        file.unlink()
    for name, text in now.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def changed_copy(assembly: Any) -> Any:
    templates = json.loads(json.dumps(assembly.templates))
    for resource in templates["lake"]["Resources"].values():
        if resource["Type"] == "AWS::KMS::Key":
            resource["Properties"]["EnableKeyRotation"] = False
    return replace(assembly, templates=templates)
