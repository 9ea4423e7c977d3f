"""The console's stack in a local cloud that checks rights: what it leaves there, and what its task may do.

The local cloud records a load balancer and a service and runs neither: that nobody passes who is not known, and that a
task starts, is not shown here. Its containers are run by hand, each with what the stack gives it and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from recorded_source.recordings import FAKESTORE

from infra.access import CONSOLE, CONSOLE_JOBS
from ingot.naming import JOBS
from ingot.sources import load_source
from ingot.warehouse import Endpoint, load_warehouse
from tests.console_example import CERTIFICATE, CLIENT_SECRET, console_settings
from tests.console_example import CONSOLE as EXAMPLE
from tests.integration.localcloud.comparison import Assembly
from tests.integration.localcloud.deploying import (
    ROOT,
    bootstrap,
    checkout_with_a_guarded_source,
    deploy,
    only,
    synthesise,
)
from tests.integration.localcloud.least_privilege import (
    LEANED_ON,
    NAMES,
    SOURCE,
    Cloud,
    is_refused,
    rights_of,
    warehouse_of,
)
from tests.integration.localcloud.warm_python import warm_python

if TYPE_CHECKING:
    from laptop.services import Laptop

NETWORK = {"zones": ["a", "b"], "nat": True}
STACKS = ("lake", "network", "warehouse", "jobs", "orchestration", "console")
MADE = (*LEANED_ON, "AWS::EC2::", "AWS::ECS::", "AWS::ElasticLoadBalancingV2::")


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder = tmp_path_factory.mktemp("console")
    settings = console_settings(folder, "local", network=NETWORK, image="ingot/console:0.1.0")
    return synthesise(checkout_with_a_guarded_source(folder / "checkout"), folder, file=settings)


@pytest.fixture(scope="module")
def recorded() -> Iterator[Any]:
    from recorded_source.source import RecordedSource

    with RecordedSource() as source:
        yield source


@pytest.fixture(scope="module")
def deployed(server: Callable[..., Any], assembly: Assembly, laptop: Laptop, recorded: Any) -> Iterator[Cloud]:
    """The stack, and those that it leans on, in a local cloud that checks rights from its first request on."""
    laptop.postgres.start()
    with (
        tempfile.TemporaryDirectory(prefix="ingot-test-") as folder,
        warm_python(Path(folder)) as python,
        server(
            Path(folder) / "state",
            INITIAL_NO_AUTH_ACTION_COUNT="0",
            LOCALCLOUD_GLUE_PYTHON=str(python),
            INGOT_SOURCE_URL_FAKESTORE=recorded.url,
        ) as running,
    ):
        cloud = Cloud(running.endpoint)
        bootstrap(cloud.root)
        secret = json.dumps({"client_secret": "known to the provider"})
        cloud.root("secretsmanager").create_secret(Name=CLIENT_SECRET, SecretString=secret)
        certificate = cloud.root("acm").request_certificate(DomainName=EXAMPLE["domain"])["CertificateArn"]

        def possible(template: dict[str, Any]) -> dict[str, Any]:
            # The certificate that is there has a number of its own.
            text = json.dumps(only(template, lambda kind: kind.startswith(MADE)))
            return dict(json.loads(text.replace(CERTIFICATE, certificate)))

        deploy(cloud.root, assembly, [f"ingot-local-{purpose}" for purpose in STACKS], possible)
        with warehouse_of(cloud, laptop):
            yield cloud


def test_nobody_reaches_the_console_past_the_identity_provider(deployed: Cloud) -> None:
    elb = deployed.root("elbv2")
    (balancer,) = elb.describe_load_balancers(Names=[NAMES.console])["LoadBalancers"]
    listeners = {
        each["Port"]: each for each in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    }

    assert sorted(listeners) == [80, 443]
    (redirect,) = listeners[80]["DefaultActions"]
    assert redirect["Type"] == "redirect"
    assert (redirect["RedirectConfig"]["Protocol"], redirect["RedirectConfig"]["StatusCode"]) == ("HTTPS", "HTTP_301")
    https = listeners[443]
    assert (https["Protocol"], https["SslPolicy"]) == ("HTTPS", "ELBSecurityPolicy-TLS13-1-3-2021-06")
    asked, passed_on = sorted(https["DefaultActions"], key=lambda action: action["Order"])
    assert asked["Type"] == "authenticate-oidc"
    oidc = asked["AuthenticateOidcConfig"]
    assert {name: oidc[name] for name in ("Issuer", "TokenEndpoint", "ClientId", "OnUnauthenticatedRequest")} == {
        "Issuer": EXAMPLE["oidc"]["issuer"],
        "TokenEndpoint": EXAMPLE["oidc"]["token_endpoint"],
        "ClientId": EXAMPLE["oidc"]["client_id"],
        "OnUnauthenticatedRequest": "authenticate",
    }
    (targets,) = elb.describe_target_groups(Names=[NAMES.console])["TargetGroups"]
    assert (passed_on["Type"], passed_on["TargetGroupArn"]) == ("forward", targets["TargetGroupArn"])
    assert (targets["HealthCheckPath"], targets["Port"], targets["TargetType"]) == ("/healthz", 8080, "ip")
    # No rule leads past the default ones.
    for listener in listeners.values():
        rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        assert [rule["IsDefault"] for rule in rules] == [True]


def test_the_load_balancer_writes_down_who_came_and_drops_odd_headers(deployed: Cloud) -> None:
    elb = deployed.root("elbv2")
    (balancer,) = elb.describe_load_balancers(Names=[NAMES.console])["LoadBalancers"]
    attributes = {
        each["Key"]: each["Value"]
        for each in elb.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])["Attributes"]
    }

    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes["access_logs.s3.enabled"] == "true"
    policy = deployed.root("s3").get_bucket_policy(Bucket=attributes["access_logs.s3.bucket"])["Policy"]
    assert "logdelivery.elasticloadbalancing.amazonaws.com" in policy


def test_the_service_stands_in_the_private_subnets_behind_the_load_balancer(deployed: Cloud) -> None:
    ecs, ec2 = deployed.root("ecs"), deployed.root("ec2")
    (service,) = ecs.describe_services(cluster=NAMES.console, services=[NAMES.console])["services"]
    network = service["networkConfiguration"]["awsvpcConfiguration"]

    assert (service["launchType"], service["desiredCount"], network["assignPublicIp"]) == ("FARGATE", 1, "DISABLED")
    subnets = ec2.describe_subnets(SubnetIds=network["subnets"])["Subnets"]
    names = {tag["Value"].rpartition("/")[2] for each in subnets for tag in each["Tags"] if tag["Key"] == "Name"}
    assert names == {"PrivateSubnet1", "PrivateSubnet2"}
    (group,) = ec2.describe_security_groups(GroupIds=network["securityGroups"])["SecurityGroups"]
    (rule,) = group["IpPermissions"]
    (peer,) = rule["UserIdGroupPairs"]
    (balancer,) = deployed.root("elbv2").describe_load_balancers(Names=[NAMES.console])["LoadBalancers"]
    assert ([peer["GroupId"]], rule["FromPort"], rule["ToPort"]) == (balancer["SecurityGroups"], 8080, 8080)
    (registered,) = service["loadBalancers"]
    assert (registered["containerName"], registered["containerPort"]) == ("console", 8080)


# From here on: the containers of its task, each with what the stack gives it.

MONTHS = [(f"2020-0{month}-01T00:00:00Z", f"2020-0{month + 1}-01T00:00:00Z") for month in range(1, 6)]


def container(cloud: Cloud, name: str) -> dict[str, Any]:
    found = cloud.root("ecs").describe_task_definition(taskDefinition=NAMES.console)["taskDefinition"]
    return dict(next(each for each in found["containerDefinitions"] if each["name"] == name))


@pytest.fixture(scope="module")
def role(deployed: Cloud) -> str:
    definition = deployed.root("ecs").describe_task_definition(taskDefinition=NAMES.console)["taskDefinition"]
    return str(definition["taskRoleArn"]).rpartition("/")[2]


@pytest.fixture(scope="module")
def refused(deployed: Cloud, recorded: Any, laptop: Laptop) -> Iterator[list[str]]:
    """Five months of products with a refused record each, one of them loaded, and a landed file that is; then the first
    container runs, with the secrets that ECS gives it. The keys of what was refused."""
    s3, vault = deployed.root("s3"), deployed.root("secretsmanager")
    token = json.dumps({"token": "any"})
    vault.put_secret_value(SecretId=NAMES.source_secret(SOURCE), SecretString=token)
    products = json.loads((FAKESTORE / "products.json").read_text(encoding="utf-8"))
    for number, (start, end) in enumerate(MONTHS):
        wrong = [{**each, "price": -1} if at == number else each for at, each in enumerate(products)]
        recorded.behave()
        recorded.misbehave("/products", body=wrong)
        run(deployed, "extract", SOURCE, "products", start, end)
    for step in ("refine", "load"):
        run(deployed, step, SOURCE, "products", *MONTHS[0])
    (file, *_) = sorted((ROOT / "sources/suppliers/recorded/landing").rglob("*.*"))
    s3.put_object(Bucket=NAMES.bronze_bucket, Key=f"landing/suppliers/costs/{file.name}", Body=file.read_bytes())
    for step in ("extract", "refine", "load"):
        run(deployed, step, "suppliers", "costs", *MONTHS[0])
    for source in (SOURCE, "suppliers"):
        ended = deployed.run("audit", source=source, interval_start=MONTHS[0][0], interval_end=MONTHS[0][1])
        assert ended["JobRunState"] == "SUCCEEDED", ended
    owner = json.loads(vault.get_secret_value(SecretId=NAMES.warehouse_secret)["SecretString"])
    with laptop.postgres.connect("postgres") as admin:
        admin.execute(f'alter role "{owner["username"]}" createrole')
    generated = json.loads(vault.get_secret_value(SecretId=NAMES.reader_secret)["SecretString"])
    reader = {**owner, "username": f"{owner['username']}_reader", "password": generated["password"]}
    vault.put_secret_value(SecretId=NAMES.reader_secret, SecretString=json.dumps(reader))
    grant = container(deployed, "grant")
    secrets = {
        each["name"]: vault.get_secret_value(SecretId=each["valueFrom"])["SecretString"] for each in grant["secrets"]
    }
    done = subprocess.run(
        [sys.executable, *grant["entryPoint"][1:]],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **secrets},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    keys = s3.list_objects_v2(Bucket=NAMES.bronze_bucket, Prefix=f"quarantine/{SOURCE}/products/")["Contents"]
    assert len(keys) == len(MONTHS)
    yield [item["Key"] for item in keys]
    with laptop.postgres.connect(owner["dbname"]) as admin:
        admin.execute(f'drop owned by "{reader["username"]}"')
        admin.execute(f'drop role "{reader["username"]}"')


def run(cloud: Cloud, step: str, source: str, stream: str, start: str, end: str) -> None:
    interval = {"interval_start": start, "interval_end": end, "as_of": "2020-06-01T00:00:00Z"}
    ended = cloud.run(step, source=source, stream=stream, **interval)
    assert ended["JobRunState"] == "SUCCEEDED", (source, step, ended.get("ErrorMessage"))


@pytest.fixture(scope="module")
def console(deployed: Cloud, refused: list[str], role: str) -> Iterator[httpx.Client]:
    """The second container's command, with its variables and the role of the task; who is let in is not asked."""
    given = {each["name"]: each["value"] for each in container(deployed, "console")["environment"]}
    assert given.pop("INGOT_UI_AUTH") == "alb"
    keys = deployed.keys_of(role)
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": tempfile.gettempdir(),
        "AWS_ENDPOINT_URL": deployed.endpoint,
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
        **given,
    }
    command = [sys.executable, "-m", "ingot.cli", "ui", "--no-open", "--json", "--port", "0"]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline() + (process.stdout.readline() if process.poll() is None else "")
            found = re.search(r"http://[\w.:]+", said)
            if not found:
                process.kill()
                log.seek(0)
                raise AssertionError(said + log.read().decode())
            with httpx.Client(base_url=found[0], timeout=60) as client:
                yield client
        finally:
            process.terminate()


PAGES = (
    "/runs",
    "/quarantine",
    "/contracts",
    f"/contracts/{SOURCE}/products",
    "/lineage",
    "/lineage/explain?table=bronze.fakestore_products&key=20",
)


KEPT = ("dbt/models/", "dbt/target/", "attempts/")
"""What a console that runs does not read again: its login and what it knows of models is read once, and attempts by a
replay that goes on from where another stopped. That these rights are needed is not shown here."""


def record_page(key: str) -> str:
    return f"/quarantine/record?object={key}&position=0"


def explained(cloud: Cloud) -> str:
    """The page of a row that came in a landed file."""
    table = "bronze.suppliers_costs"
    contract = load_source(ROOT / "sources/suppliers").stream("costs").contract
    key = [column.name for column in contract.columns if column.path[0] in contract.primary_key]
    secret = cloud.root("secretsmanager").get_secret_value(SecretId=NAMES.reader_secret)["SecretString"]
    warehouse = load_warehouse(msgspec.json.decode(secret, type=Endpoint, strict=False))
    (row,) = warehouse.query(f"select {', '.join(key)} from {table} limit 1").rows
    return f"/lineage/explain?{urlencode([('table', table), *(('key', str(value)) for value in row)])}"


LISTED = 2.5
"""Seconds after which a console lists the sources again (two, see ``ingot.console.queries.deployed``)."""


def opens(console: httpx.Client, pages: Iterable[str]) -> bool:
    return set(look(console, pages).values()) == {200}


def look(console: httpx.Client, pages: Iterable[str]) -> dict[str, int]:
    return {page: console.get(page).status_code for page in pages}


def replay(console: httpx.Client, key: str) -> str:
    """Replays an object as the page's form does, and what the page says of it in the end."""
    form = console.get(f"/quarantine/confirm?action=replay&object={key}").text
    token = re.search(r'name="csrf" value="([^"]+)"', form)
    assert token, form
    answer = console.post("/quarantine/work", data={"csrf": token[1], "action": "replay", "object": key})
    assert answer.status_code == 303, answer.text
    deadline = time.monotonic() + 120
    while True:
        page = console.get(answer.headers["location"])
        if "Refresh" not in page.headers:
            return page.text
        assert time.monotonic() < deadline, page.text
        time.sleep(0.2)


@pytest.mark.slow
def test_every_page_opens_with_the_tasks_rights_and_not_without_any_one_of_those_to_read(
    deployed: Cloud, console: httpx.Client, refused: list[str], role: str
) -> None:
    pages = [*PAGES, record_page(refused[0]), explained(deployed)]
    assert look(console, pages) == dict.fromkeys(pages, 200)

    rights = [r for r in rights_of(deployed.policies_of(role).values()) if not r.action.startswith("glue:")]
    idle = []
    for right in rights:
        if right.action == "secretsmanager:GetSecretValue" or any(place in str(right) for place in KEPT):
            continue
        rest = [json.loads(other.statement) for other in rights if other != right]
        with deployed.reduced(role, rest):
            if opens(console, pages):
                time.sleep(LISTED)
                if opens(console, pages):
                    idle.append(str(right))

    assert len(rights) > 10
    assert idle == []


@pytest.mark.slow
def test_a_replay_takes_each_right_on_its_jobs(
    deployed: Cloud, console: httpx.Client, refused: list[str], role: str
) -> None:
    rights = rights_of(deployed.policies_of(role).values())

    def without(action: str, step: str, key: str) -> None:
        job = f"job/{NAMES.job(SOURCE, step)}"
        rest = [r for r in rights if not (r.action == f"glue:{action}" and r.resource.endswith(job))]
        assert len(rest) == len(rights) - 1
        with deployed.reduced(role, [json.loads(right.statement) for right in rest]):
            told = replay(console, key)
        assert "you need glue:StartJobRun" in told, (action, step)

    s3, contract = deployed.root("s3"), f"sources/{SOURCE}/products.odcs.yaml"
    text = s3.get_object(Bucket=NAMES.artifacts_bucket, Key=contract)["Body"].read().decode()
    s3.put_object(Bucket=NAMES.artifacts_bucket, Key=contract, Body=text.replace("minimum: 0\n", "minimum: -1\n"))
    for step, key in zip(CONSOLE_JOBS, refused, strict=False):
        without("StartJobRun", step, key)
    without("GetJobRun", "replay", refused[0])
    told = replay(console, refused[len(CONSOLE_JOBS)])
    assert "1 accepted" in told
    assert "you need" not in told


@pytest.mark.slow
def test_what_the_console_may_not_do_is_refused(deployed: Cloud, console: httpx.Client, role: str) -> None:
    s3, glue, vault = (deployed.as_role(role, name) for name in ("s3", "glue", "secretsmanager"))
    bronze, (key,) = NAMES.bronze_bucket, [CONSOLE.read[0].partition("/")[2]]
    data = deployed.root("s3").list_objects_v2(Bucket=bronze, Prefix="data/")["Contents"][0]["Key"]
    forbidden = {
        "reads the owner's login": partial(vault.get_secret_value, SecretId=NAMES.warehouse_secret),
        "reads a source's secret": partial(vault.get_secret_value, SecretId=NAMES.source_secret(SOURCE)),
        "reads the provider's secret": partial(vault.get_secret_value, SecretId=CLIENT_SECRET),
        "changes its own login": partial(vault.put_secret_value, SecretId=NAMES.reader_secret, SecretString="{}"),
        "reads accepted records": partial(s3.get_object, Bucket=bronze, Key=data),
        "lists accepted records": partial(s3.list_objects_v2, Bucket=bronze, Prefix="data/"),
        "lists a whole bucket": partial(s3.list_objects_v2, Bucket=bronze),
        "writes a manifest": partial(s3.put_object, Bucket=bronze, Key=f"{key}{SOURCE}/x", Body=b"{}"),
        "deletes a manifest": partial(s3.delete_object, Bucket=bronze, Key=f"{key}{SOURCE}/x"),
        "changes a contract": partial(s3.put_object, Bucket=NAMES.artifacts_bucket, Key="sources/x", Body=b""),
        "changes a DAG": partial(s3.put_object, Bucket=NAMES.dags_bucket, Key="dags/x.py", Body=b""),
        **{
            f"starts {step}": partial(glue.start_job_run, JobName=NAMES.job(SOURCE, step))
            for step in set(JOBS) - set(CONSOLE_JOBS)
        },
    }

    assert [what for what, call in forbidden.items() if not is_refused(call)] == []
