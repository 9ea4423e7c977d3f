"""cfn-lint and checkov find nothing in the templates, or the exception says why.

Both run as commands of their own, at the same time and once for all environments; checkov in an environment of its
own, as it pins a boto3 far older than ours. Neither asks the network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.unit.infra.conftest import ENVIRONMENTS, ROOT
from tests.unit.infra.review import Finding, read_exceptions, review, unexplained

CFN_LINT = Path(sys.executable).with_name("cfn-lint")
CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
Found = Mapping[str, set[Finding]]


@pytest.fixture(scope="module")
def linted(
    every: Mapping[str, Any], delivery: Any, with_console: Any, tmp_path_factory: pytest.TempPathFactory
) -> Found:
    """Environment, ``delivery``, or ``console``: what an environment with one has besides → what both found there."""
    files = {environment: assembly.files for environment, assembly in {**every, "delivery": delivery}.items()}
    files["console"] = tuple(
        file for file in with_console.files if purpose(file) in ("console", "network", "warehouse")
    )
    whose = {file: environment for environment, each in files.items() for file in each}
    found: dict[str, set[Finding]] = {environment: set() for environment in files}
    for file, finding in lint(whose, tmp_path_factory.mktemp("lint")):
        found[whose[file]].add(finding)
    return found


def lint(files: Iterable[Path], home: Path) -> Iterator[tuple[Path, Finding]]:
    """What cfn-lint and checkov find in some templates."""
    assert CHECKOV.exists(), "run `make .venv-checkov/.made`, as `make test` does"
    paths = [str(file) for file in files]
    calls = {
        cfn_lint: [str(CFN_LINT), "--format", "json", "--", *paths],
        checkov: [
            *(str(CHECKOV), "--framework", "cloudformation", "--skip-download", "--quiet", "--output", "json"),
            *("--file", *paths),
        ],
    }
    # Nothing of this process's AWS set-up, and a home without anybody's configuration.
    variables = {"HOME": str(home), "PATH": os.environ["PATH"], "LOG_LEVEL": "ERROR"}
    with ThreadPoolExecutor() as pool:
        done = {
            read: pool.submit(subprocess.run, call, cwd=home, env=variables, capture_output=True, text=True)
            for read, call in calls.items()
        }
    for read, future in done.items():
        ended = future.result()
        assert ended.stdout.strip(), f"exit code {ended.returncode}: {ended.stderr[-2000:]}"
        yield from read(json.loads(ended.stdout))


def cfn_lint(matches: list[dict[str, Any]]) -> Iterator[tuple[Path, Finding]]:
    for match in matches:
        file, path = Path(match["Filename"]), match["Location"]["Path"] or []
        where = str(path[1]) if path[:1] == ["Resources"] and len(path) > 1 else "/".join(str(key) for key in path)
        yield file, Finding(match["Rule"]["Id"], f"{purpose(file)}/{where}", match["Message"])


def checkov(report: dict[str, Any]) -> Iterator[tuple[Path, Finding]]:
    assert not report["summary"]["parsing_errors"]
    assert report["summary"]["resource_count"], "it found no resource at all"
    for check in report["results"]["failed_checks"]:
        file = Path(check["file_abs_path"])
        yield (
            file,
            Finding(check["check_id"], f"{purpose(file)}/{check['resource'].partition('.')[2]}", check["check_name"]),
        )


def purpose(file: Path) -> str:
    return file.name.removesuffix(".template.json").split("-", 2)[2]


@pytest.mark.parametrize("environment", [*ENVIRONMENTS, "delivery", "console"])
def test_cfn_lint_and_checkov_find_nothing_without_a_reason(linted: Found, environment: str) -> None:
    assert unexplained(linted[environment], read_exceptions()) == []


def test_no_exception_is_idle(every: Mapping[str, Any], delivery: Any, with_console: Any, linted: Found) -> None:
    findings = set[Finding]().union(*linted.values())
    for environment, assembly in {**every, "delivery": delivery, "console": with_console}.items():
        for name, template in assembly.templates.items():
            findings |= review(name, template, protect=environment in ("staging", "prod", "delivery", "console"))

    assert not [
        (rule, accepted.where, accepted.what)
        for rule, each in read_exceptions().items()
        for accepted in each
        if not any(finding.rule == rule and accepted.covers(finding) for finding in findings)
    ]


def test_both_find_what_is_planted(tmp_path: Path) -> None:
    bad = tmp_path / "ingot-bad-planted.template.json"
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"AccessControl": "PublicRead"}}
    role = {"Type": "AWS::IAM::Role", "Properties": {"NoSuchProperty": 1}}
    bad.write_text(json.dumps({"Resources": {"Open": bucket, "Misspelt": role}}))

    found = {(finding.rule, finding.where) for _, finding in lint([bad], tmp_path)}

    assert ("CKV_AWS_20", "planted/Open") in found, "checkov: no bucket is read by everybody"
    assert ("E3002", "planted/Misspelt") in found, "cfn-lint: there is no such property"
