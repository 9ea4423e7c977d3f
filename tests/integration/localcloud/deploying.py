"""Stacks from the CDK app into a local cloud and out of it again, over CloudFormation's API as `cdk` does it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.integration.localcloud.comparison import Assembly

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT, REGION = "000000000000", "us-east-1"
ASSETS_BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
BOOTSTRAP_VERSION = "30"
VARIABLES = {
    "CDK_DEFAULT_ACCOUNT": ACCOUNT,
    "INGOT_WAREHOUSE_HOST": "localhost",
    "INGOT_WAREHOUSE_PORT": "5432",
}

Client = Callable[[str], Any]
"""Service → a client of it, with an administrator's rights."""


def checkout_with_a_guarded_source(folder: Path) -> Path:
    """This checkout, but for its sources: Fakestore asks for credentials, and one more has its events delivered."""
    folder.mkdir()
    for name in ("ingot", "glue_jobs", "dags", "dbt", "requirements", "pyproject.toml", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    for sources in (ROOT / "sources", ROOT / "tests" / "sources"):
        shutil.copytree(sources, folder / "sources", dirs_exist_ok=True)
    with (folder / "sources" / "fakestore" / "source.yaml").open("a", encoding="utf-8") as file:
        file.write("auth:\n  type: bearer\n")
    return folder


def synthesise(
    checkout: Path, folder: Path, environment: str = "local", file: Path | None = None, **context: str
) -> Assembly:
    """The app's templates and assets, below a folder; the settings are the repository's unless a file is given."""
    # Imported here: it takes seconds, and the first of them silences jsii's notice about Node.
    import infra  # noqa: F401
    import aws_cdk as cdk  # isort: skip

    from infra.app import add_stacks
    from infra.settings import SETTINGS_FILE

    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    app = cdk.App(
        outdir=str(folder / "assembly"),
        analytics_reporting=False,
        context={**flags, "environment": environment, **context},
        builtin_cloud_formation_validation=False,
    )
    add_stacks(app, root=checkout, build=folder / "build", variables=VARIABLES, file=file or SETTINGS_FILE)
    app.synth()
    return Assembly(folder / "assembly")


def bootstrap(client: Client) -> None:
    """What the stacks lean on of the CDK's bootstrap."""
    client("s3").create_bucket(Bucket=ASSETS_BUCKET)
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value=BOOTSTRAP_VERSION, Type="String")


def publish(client: Client, assembly: Assembly, stack: str) -> None:
    """Upload the assets of a stack."""
    there = {item["Key"] for item in client("s3").list_objects_v2(Bucket=ASSETS_BUCKET).get("Contents", ())}
    for path, place in assembly.assets(stack):
        if place["objectKey"] not in there:
            body = _zipped(path) if path.is_dir() else path.read_bytes()
            client("s3").put_object(Bucket=place["bucketName"], Key=place["objectKey"], Body=body)


def deploy(
    client: Client,
    assembly: Assembly,
    stacks: Iterable[str] | None = None,
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda template: template,
) -> None:
    """Create or update stacks, all of them if none are named; fails with the reasons of the one that fails.

    Args:
        client: see there.
        assembly: what is deployed.
        stacks: their names, in order.
        change: takes a template before it is deployed.
    """
    formation = client("cloudformation")
    there = {stack["StackName"] for stack in formation.describe_stacks()["Stacks"]}
    for name in assembly.stacks if stacks is None else stacks:
        publish(client, assembly, name)
        body = json.dumps(change(assembly.templates[name]))
        try:
            (formation.update_stack if name in there else formation.create_stack)(StackName=name, TemplateBody=body)
        except formation.exceptions.ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
        status = formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        assert status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), f"{name} is {status}: {reasons(formation, name)}"


def only(template: dict[str, Any], keep: Callable[[str], bool]) -> dict[str, Any]:
    """A template with the resources of some types."""
    resources = {name: {**each} for name, each in template["Resources"].items() if keep(each["Type"])}
    for resource in resources.values():
        if "DependsOn" in resource:
            before = resource["DependsOn"] if isinstance(resource["DependsOn"], list) else [resource["DependsOn"]]
            resource["DependsOn"] = [name for name in before if name in resources]
    gone = template["Resources"].keys() - resources.keys()
    outputs = {
        name: output for name, output in template.get("Outputs", {}).items() if not gone.intersection(_names_in(output))
    }
    return {**template, "Resources": resources, "Outputs": outputs}


def _names_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            yield from (name for each in value.values() for name in _names_in(each))
        case list():
            yield from (name for each in value for name in _names_in(each))


def destroy(client: Client, assembly: Assembly) -> None:
    """Delete all stacks, the last one first; fails with the reasons of the one that stays."""
    formation = client("cloudformation")
    for name in reversed(assembly.stacks):
        formation.delete_stack(StackName=name)
        left = [stack for stack in formation.describe_stacks()["Stacks"] if stack["StackName"] == name]
        assert left == [], f"{name} is {left[0]['StackStatus']}: {reasons(formation, name)}"


def reasons(formation: Any, stack: str) -> list[str]:
    """Why resources of a stack failed."""
    events = formation.describe_stack_events(StackName=stack)["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
        for event in events
        if "FAILED" in event["ResourceStatus"]
    ]


def _zipped(folder: Path) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return buffer.getvalue()
