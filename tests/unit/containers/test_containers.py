"""docker-compose.yml and its Dockerfile, as far as they can be held to something without a Docker engine."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SCHEMA = Path(__file__).with_name("compose-spec") / "compose-spec.json"
HADOLINT = ROOT / ".venv-hadolint" / "bin" / "hadolint"
ONE_SHOT = {"deploy", "airflow-migrate"}
AS_ROOT = {"localstack", "localstack-token"}
"""Their image's entrypoint wants it."""


def dockerfiles() -> set[Path]:
    builds = [service["build"] for service in SERVICES.values() if "build" in service]
    return {ROOT / build["context"] / build["dockerfile"] for build in builds}


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction of every Dockerfile, continued lines joined."""
    texts = [re.sub(r"\\\n", "", file.read_text()) for file in dockerfiles()]
    return [match for text in texts for match in re.findall(rf"^{name} (.+)$", text, re.MULTILINE)]


def test_the_file_keeps_to_the_compose_specification() -> None:
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(COMPOSE)


def test_the_schema_refuses_what_the_specification_does_not_know() -> None:
    wrong = COMPOSE | {"services": SERVICES | {"cloud": SERVICES["cloud"] | {"comand": []}}}
    with pytest.raises(jsonschema.ValidationError, match="comand"):
        jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(wrong)


def test_what_is_built_from_is_there() -> None:
    assert dockerfiles() == {ROOT / "localstack/compose/Dockerfile", ROOT / "infra/images/console/Dockerfile"}
    assert all(file.is_file() for file in dockerfiles())


def test_what_is_copied_is_there_and_is_not_ignored() -> None:
    copies = [line for line in instructions("COPY") if "--from=" not in line]
    paths = {word.rstrip("/") for line in copies for word in line.split()[:-1] if not word.startswith("--")}
    assert {"Makefile", "pyproject.toml", "README.md", "requirements", "ingot", "."} <= paths
    assert all((ROOT / path).exists() for path in paths)
    ignored = {line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")}
    assert not ignored & {path.split("/")[0] for path in paths}
    assert {".env", ".git", ".ingot", ".venv*"} <= ignored


def test_what_is_mounted_is_there() -> None:
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", [])]
    bound = [source for source, *_ in mounts if source.startswith((".", "/"))]
    assert len(bound) == 8  # both profiles of LocalStack, and what watches
    watched = [mount for mount in mounts if mount[0].startswith("./localstack/monitoring")]
    assert len(watched) == 5
    assert all(mount[2:] == ["ro"] for mount in mounts if mount[0] in bound)
    assert all(any((ROOT / source).iterdir()) for source in bound)
    assert {source for source, *_ in mounts} - set(bound) == set(COMPOSE["volumes"])


def test_scripts_of_the_images_can_be_run() -> None:
    for script in [*(ROOT / "localstack/init").rglob("*.sh"), *(ROOT / "localstack/compose").rglob("*.sh")]:
        assert script.stat().st_mode & 0o111, script
        assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


def test_every_image_has_a_version() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += [line.split()[0] for line in instructions("FROM")]
    assert [image for image in images if not re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?(-[a-z-]+)*", image)] == []
    assert SERVICES["localstack"]["image"] == "localstack/localstack:4.14.0"


def test_nobody_is_root_but_where_the_image_wants_it() -> None:
    assert instructions("USER") == ["10001:10001"] * len(dockerfiles())
    for name, service in SERVICES.items():
        assert "no-new-privileges:true" in service["security_opt"], name
        if name not in AS_ROOT:
            assert "build" in service or service["user"] not in {"root", "0"}, name
            assert service["cap_drop"] == ["ALL"], name


def test_nothing_is_reached_from_outside_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_console_is_told_who_may_come_in() -> None:
    """Its image listens for others, and does not start without."""
    (command,) = (line for line in instructions("CMD") if '"ui"' in line)
    assert '"--host", "0.0.0.0"' in command
    assert SERVICES["console"]["environment"]["INGOT_UI_AUTH"] == "loopback"


def test_no_password_is_in_the_file() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if not re.search("PASSWORD|SECRET|TOKEN|KEY|CONN", variable) or variable.startswith("AWS_"):
                continue
            assert re.search(r"/run/secrets/|^\$\{\w+:-\}$|^$|^airflow\.providers|^\{", value), f"{name}: {variable}"
            for used in re.findall(r"/run/secrets/(\w+)", value):
                assert used in service["secrets"], f"{name}: {variable}"
    assert all(set(secret) == {"environment"} for secret in COMPOSE["secrets"].values())


def test_who_waits_waits_for_something_that_is_told() -> None:
    for name, service in SERVICES.items():
        assert ("healthcheck" in service) != (name in ONE_SHOT), name
        for needed, how in service.get("depends_on", {}).items():
            condition = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how["condition"] == condition, f"{name} → {needed}"
            # A profile that is off takes nobody with it.
            assert how.get("required", True) != ("profiles" in SERVICES[needed]), f"{name} → {needed}"
        if name in ONE_SHOT:
            assert service.get("restart", "no") == "no"


def test_hadolint_finds_nothing() -> None:
    assert HADOLINT.exists(), "run `make .venv-hadolint/.made`, as `make test` does"
    done = subprocess.run([str(HADOLINT), *map(str, dockerfiles())], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_first_layer_of_the_image_has_all_that_make_setup_asks_for(tmp_path: Path) -> None:
    """make says what it would do, or that a file is missing."""
    before = (ROOT / "localstack/compose/Dockerfile").read_text().split("RUN make setup")[0]
    for line in re.findall(r"^COPY (?!--from)(.+)$", before, re.MULTILINE):
        for path in (word for word in line.split()[:-1] if not word.startswith("--")):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).symlink_to(ROOT / path)
    done = subprocess.run(["make", "--dry-run", "setup"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "requirements/airflow.txt" in done.stdout
