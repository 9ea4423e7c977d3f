"""The workflows of GitHub Actions: of the right form, with few rights, and calling what the checkout has.

Two tools of others read them, in an environment of their own and without the network: check-jsonschema has the public
schema of workflow files with it, zizmor looks for ways in (https://docs.zizmor.sh/audits/).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.constructs.github_oidc import SESSION
from infra.delivery.settings import GitHub
from infra.settings import DELIVERY, SETTINGS_FILE

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".github/workflows"
TOOLS = ROOT / ".venv-workflows/bin"
# `on` is a boolean to YAML 1.1, which is what PyYAML reads.
WORKFLOWS = {
    path.name: {("on" if key is True else key): value for key, value in yaml.safe_load(path.read_text()).items()}
    for path in sorted(FOLDER.glob("*.yml"))
}
JOBS = [
    pytest.param(file, name, job, id=f"{file}:{name}")
    for file, workflow in WORKFLOWS.items()
    for name, job in workflow["jobs"].items()
]


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for file, workflow in WORKFLOWS.items():
        for name, job in workflow["jobs"].items():
            for step in job.get("steps", []):
                yield f"{file}:{name}", step


def commands() -> Iterator[tuple[str, str]]:
    for where, step in steps():
        for line in step.get("run", "").splitlines():
            yield where, line.strip()


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert (TOOLS / name).exists(), "run `make .venv-workflows/.made`, as `make test` does"
    return subprocess.run([str(TOOLS / name), *arguments], capture_output=True, text=True, check=False)


def schema(folder: Path) -> subprocess.CompletedProcess[str]:
    files = [str(path) for path in sorted(folder.glob("*.yml"))]
    return tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)


def audit(folder: Path) -> set[str]:
    """The rules of zizmor that workflows break."""
    said = tool(
        "zizmor", "--offline", "--persona", "pedantic", "--config", str(ROOT / ".github/zizmor.yml"),
        "--format", "json", *(str(path) for path in sorted(folder.glob("*.yml"))),
    )  # fmt: skip
    assert said.stdout, said.stderr
    return {finding["ident"] for finding in json.loads(said.stdout)}


def test_they_have_the_form_that_github_reads() -> None:
    assert set(WORKFLOWS) == {"tests.yml", "diff.yml", "deploy.yml", "deploy-environment.yml", "pages.yml"}
    checked = schema(FOLDER)
    assert checked.returncode == 0, checked.stdout


def test_nobody_finds_a_way_in() -> None:
    assert audit(FOLDER) == set()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('gh pr comment "$NUMBER"', "echo ${{ github.event.pull_request.title }} #", "template-injection"),
        ("upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "upload-artifact@v7", "unpinned-uses"),
        ("  pull_request:", "  pull_request_target:", "dangerous-triggers"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        ("runs-on: ubuntu-24.04", "runs_on: ubuntu-24.04", "schema"),
    ],
)  # fmt: skip
def test_what_is_planted_is_found(tmp_path: Path, old: str, new: str, found: str) -> None:
    shutil.copyfile(FOLDER / "diff.yml", tmp_path / "diff.yml")
    text = (tmp_path / "diff.yml").read_text()
    assert old in text
    (tmp_path / "diff.yml").write_text(text.replace(old, new))

    if found == "schema":
        assert schema(tmp_path).returncode == 1
    else:
        assert found in audit(tmp_path)


@pytest.mark.parametrize(("file", "name", "job"), JOBS)
def test_a_job_says_what_it_may_do_and_a_workflow_gives_nothing_else(file: str, name: str, job: dict[str, Any]) -> None:
    assert WORKFLOWS[file]["permissions"] == {}
    allowed = {"contents": "read", "id-token": "write", "pull-requests": "write", "pages": "write"}
    assert job["permissions"].items() <= allowed.items()
    assert "contents" in job["permissions"] or "uses" not in str(job["steps"][0]) or "checkout" not in str(job["steps"])
    if "steps" in job:
        assert job["timeout-minutes"] <= 120


def test_a_pull_requests_code_never_runs_beside_a_token_that_reads_the_accounts() -> None:
    for file in ("tests.yml", "diff.yml"):
        for name, job in WORKFLOWS[file]["jobs"].items():
            text = str(job["steps"])
            has_code = "actions/checkout" in text
            assert not (has_code and set(job["permissions"].items()) - {("contents", "read")}), f"{file}:{name}"


def test_what_publishes_the_site_runs_nothing_of_the_checkout() -> None:
    jobs = {
        name: job for file in WORKFLOWS.values() for name, job in file["jobs"].items() if "pages" in job["permissions"]
    }
    assert list(jobs) == ["publish"]
    assert [step.get("uses", step).split("@")[0] for step in jobs["publish"]["steps"]] == ["actions/deploy-pages"]


def test_every_action_is_pinned_by_a_commit_whose_version_stands_beside_it() -> None:
    pinned: dict[str, set[str]] = {}
    for path in FOLDER.glob("*.yml"):
        for line in path.read_text().splitlines():
            if match := re.search(r"uses: (\S+)(.*)", line):
                if match[1].startswith("./"):
                    assert (ROOT / match[1]).is_file(), line
                    continue
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", match[1]), line
                assert re.fullmatch(r" # v\d+\.\d+\.\d+", match[2]), line
                pinned.setdefault(match[1].split("@")[0], set()).add(match[1])
    assert pinned
    assert {len(commits) for commits in pinned.values()} == {1}, "one version of each"


def test_nobody_who_is_not_trusted_starts_what_has_a_token() -> None:
    triggers = {file: set(workflow["on"]) for file, workflow in WORKFLOWS.items()}

    assert triggers == {
        "tests.yml": {"pull_request", "workflow_call"},
        "diff.yml": {"pull_request"},
        "deploy.yml": {"push"},
        "deploy-environment.yml": {"workflow_call"},
        "pages.yml": {"push"},
    }
    assert WORKFLOWS["pages.yml"]["on"] == WORKFLOWS["deploy.yml"]["on"]
    assert WORKFLOWS["deploy.yml"]["on"]["push"] == {"branches": [_delivery()["branch"]]}
    first = WORKFLOWS["diff.yml"]["jobs"]["synth"]
    assert first["if"].endswith("&& github.event.pull_request.head.repo.full_name == github.repository"), "no fork"


def test_no_key_is_stored() -> None:
    assert not re.search(
        r"secrets\.|AWS_ACCESS_KEY|aws-access-key", "".join(p.read_text() for p in FOLDER.glob("*.yml"))
    )


def test_no_expression_stands_in_a_command() -> None:
    assert [where for where, command in commands() if "${{" in command] == []


def test_commands_call_what_the_checkout_has() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (cli,) = re.findall(r"^CDK_CLI := (.+)$", makefile, re.MULTILINE)
    seen = set()
    for where, command in commands():
        if match := re.match(r"make (.+)$", command):
            for target in match[1].split():
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{where}: make {target}"
                seen.add(target)
        for version in re.findall(r"aws-cdk@(\S+)", command):
            assert version == cli, where
        for script in re.findall(r"[\w/.-]+\.py\b", command):
            assert (ROOT / script).is_file(), f"{where}: {script}"
            seen.add(script)
    assert seen == {"lint", "test", "setup", "manifest", "site", "infra/delivery/start_smoke_test.py"}


def test_tests_are_those_of_ci() -> None:
    ran = [command for where, command in commands() if where.startswith("tests.yml")]

    assert ran == [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("make")]


def test_environments_and_roles_are_those_that_the_settings_make() -> None:
    deployed = [
        job["with"]["environment"]
        for job in WORKFLOWS["deploy.yml"]["jobs"].values()
        if "environment" in job.get("with", {})
    ]
    assert deployed == GitHub(**_delivery()["github"]).environments
    roles = {step["with"]["role-to-assume"] for _, step in steps() if "role-to-assume" in step.get("with", {})}
    account = "arn:aws:iam::${{ vars.AWS_ACCOUNT_ID }}:role/ingot-delivery-github-"
    assert roles == {f"{account}diff", account + "${{ inputs.environment }}"}
    asked = [
        step["with"]["role-duration-seconds"] for _, step in steps() if "role-duration-seconds" in step.get("with", {})
    ]
    assert asked == [SESSION.to_seconds()]
    job = WORKFLOWS["deploy-environment.yml"]["jobs"]["deploy"]
    assert job["environment"] == "${{ inputs.environment }}", "the subject that the role trusts"
    assert job["concurrency"]["cancel-in-progress"] is False
    order = {name: job.get("needs") for name, job in WORKFLOWS["deploy.yml"]["jobs"].items()}
    assert order == {"tests": None, "dev": "tests", "staging": "dev", "prod": "staging"}


def _delivery() -> dict[str, Any]:
    return dict(yaml.safe_load(SETTINGS_FILE.read_text())[DELIVERY])
