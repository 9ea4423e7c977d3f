"""What differs between environments, read from ``settings.yaml`` and checked once.

The file is the only place that knows one environment from another: no stack and no construct asks which
one it is in.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import yaml

from ingot.errors import ConfigurationError

SETTINGS_FILE = Path(__file__).with_name("settings.yaml")
DELIVERY = "delivery"
"""The one key of the file that is no environment: see :mod:`infra.delivery.settings`."""
_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")

Days = Annotated[int, msgspec.Meta(ge=1)]
Principal = Annotated[str, msgspec.Meta(pattern=r"^(arn:aws[a-z-]*:.+|(role|user)/[\w+=,.@/-]+)$")]
Classification = Literal["public", "internal", "confidential", "personal"]
_CONSOLE_PREFIX = 22
"""In a smaller network the load balancer's subnets would leave other addresses to the private ones."""
StorageClass = Literal["INTELLIGENT_TIERING", "STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]


Text = Annotated[str, msgspec.Meta(min_length=1)]
# With a version.
Image = Annotated[str, msgspec.Meta(pattern=r"^[^\s@]+(:(?!latest$)\w[\w.-]*|@sha256:[0-9a-f]{64})$")]
# A letter first, then letters, digits and underscores: the narrowest of RDS's and Redshift's rules.
Identifier = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,62}$")]


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A VPC with private subnets, for the warehouse and for the jobs that reach it.

    Only jobs that reach the warehouse there (load, audit, rebuild) are put inside; they ask nothing of the internet.
    Extract, which asks public APIs, stays outside.

    Attributes:
        cidr: its addresses; choose one that no network has that it will be peered with.
        zones: the letters of its availability zones, each with a subnet: Aurora wants two, Redshift three.
        nat: whether what is inside reaches the internet, through one NAT gateway. It costs by the hour and by the
            byte. Jobs need none, as they bring their packages; what installs from the package index does, which is
            ``mwaa`` and ``smoke_test``.
        endpoints: services that are reached inside, besides those that jobs always need (`ecr.dkr`, `sqs`).
    """

    cidr: Annotated[str, msgspec.Meta(pattern=r"^(\d{1,3}\.){3}\d{1,3}/(1[6-9]|2[0-4])$")] = "10.60.0.0/16"
    zones: Annotated[list[Annotated[str, msgspec.Meta(pattern="^[a-z]$")]], msgspec.Meta(min_length=2, max_length=3)]
    nat: bool = False
    endpoints: list[Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9.-]+$")]] = []


class Postgres(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="engine", tag="postgres"
):
    """A Postgres that is there; its login's password is generated and lives in Secrets Manager only.

    Attributes:
        host, port, dbname, username: how to reach it.
        private: True: only through the network, which a person has connected with the server's; False: from AWS's
            own network, where jobs run else.
    """

    host: Text
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    dbname: Text
    username: Text
    private: bool = False

    engine: ClassVar[str] = "postgres"

    @property
    def inside(self) -> bool:
        """Whether a job has to be in the network to reach it."""
        return self.private


class Aurora(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="engine", tag="aurora"):
    """An Aurora PostgreSQL Serverless v2 cluster in the network.

    Attributes:
        dbname: its database.
        username: its master user, as whom jobs load.
        min_acu: the least capacity, in steps of 0.5 ACU (2 GiB of memory each); 0 lets it pause when nobody is
            connected, and the next job waits for it some fifteen seconds.
        max_acu: the most.
        pause_minutes: how long nobody is connected before it pauses, where it may.
        readers: instances beside the writer; one in another zone takes over when the writer fails.
        backup_days: how far back it can be restored to any second.
    """

    dbname: Identifier = "ingot"
    username: Identifier = "ingot"
    min_acu: Annotated[float, msgspec.Meta(ge=0, le=256, multiple_of=0.5)]
    max_acu: Annotated[float, msgspec.Meta(ge=1, le=256, multiple_of=0.5)]
    pause_minutes: Annotated[int, msgspec.Meta(ge=5, le=1440)] = 10
    readers: Annotated[int, msgspec.Meta(ge=0, le=15)] = 0
    backup_days: Annotated[int, msgspec.Meta(ge=1, le=35)] = 7

    engine: ClassVar[str] = "postgres"  # what jobs and dbt speak
    port: ClassVar[int] = 5432
    inside: ClassVar[bool] = True  # a job has to be in the network to reach it

    def __post_init__(self) -> None:
        if self.min_acu > self.max_acu:
            raise ValueError("min_acu is more than max_acu")


class Redshift(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="engine", tag="redshift"
):
    """A Redshift Serverless namespace and workgroup in the network.

    Attributes:
        dbname: its database.
        username: its administrator, as whom jobs load.
        base_rpu: what a query starts with: 4, or a multiple of 8 RPU (16 GiB of memory each).
        max_rpu: the most that it grows to: a bound of the cost.
    """

    dbname: Identifier = "ingot"
    username: Identifier = "ingot"
    base_rpu: Annotated[int, msgspec.Meta(ge=4, le=512, multiple_of=4)] = 8
    max_rpu: Annotated[int, msgspec.Meta(ge=4, le=5632, multiple_of=4)] = 64

    engine: ClassVar[str] = "redshift"
    port: ClassVar[int] = 5439
    inside: ClassVar[bool] = False  # jobs ask its Data API

    def __post_init__(self) -> None:
        for name, rpu in (("base_rpu", self.base_rpu), ("max_rpu", self.max_rpu)):
            if rpu != 4 and rpu % 8:
                raise ValueError(f"{name} is 4 or a multiple of 8")
        if self.base_rpu > self.max_rpu:
            raise ValueError("base_rpu is more than max_rpu")


Warehouse = Postgres | Aurora | Redshift


class ObjectLock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versions of Bronze's objects that nobody deletes before their time, not even a lifecycle rule.

    A bucket is born with it: it is chosen before the first deployment, and never taken back. A version that a
    person's right to erasure must reach cannot be erased either, until its time is over.

    Attributes:
        mode: ``GOVERNANCE``: who has ``s3:BypassGovernanceRetention`` may delete all the same;
            ``COMPLIANCE``: nobody may, the account's root included.
        days: how long from its writing each version is kept.
    """

    mode: Literal["GOVERNANCE", "COMPLIANCE"]
    days: Days


class Observability(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What watches the pipeline: metrics of the jobs, alarms, a dashboard.

    Attributes:
        emails: who is told when an alarm rings; each confirms it once, in a mail that SNS sends.
        runbook: where docs/runbook.md is read; alarms link its sections.
        tracing: whether jobs send traces to X-Ray. A job inside a network without ``nat`` finds it through the
            endpoint ``xray`` alone (`network.endpoints`); without one it says that its trace is lost.
    """

    emails: list[Annotated[str, msgspec.Meta(pattern="^[^@ ]+@[^@ ]+$")]] = []
    runbook: Text = "docs/runbook.md"
    tracing: bool = True


class Lineage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where jobs, and Airflow where it runs, report in OpenLineage what they read and wrote.

    Attributes:
        to: ``s3``: an object an event, below `lineage/` in the Bronze bucket; ``https://…``: the address of Marquez or
            of another service that takes the standard's events; ``datazone:DOMAIN``: the id of a domain of Amazon
            DataZone in this account and region. A job inside a network without ``nat`` finds DataZone through the
            endpoint ``datazone`` alone (`network.endpoints`); without one it says that its lineage is lost.
    """

    to: Annotated[str, msgspec.Meta(pattern="^(s3|https?://[^ ]+|datazone:dzd[-_][a-zA-Z0-9_-]{1,36})$")]

    @property
    def datazone(self) -> str | None:
        """The id of the domain, if it goes to one."""
        return self.to.removeprefix("datazone:") if self.to.startswith("datazone:") else None

    @property
    def transport(self) -> dict[str, str] | None:
        """The same for OpenLineage's own client, which Airflow has; None: it has no way there."""
        if self.datazone is not None:
            return {"type": "amazon_datazone_api", "domainId": self.datazone}
        return {"type": "http", "url": self.to} if self.to.startswith("http") else None


class LakeFormation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who reads which columns of the lake's tables, by how the contracts classify them.

    A principal is an ARN, or ``role/NAME`` or ``user/NAME`` of the account that is deployed to; it has to exist.

    Attributes:
        admins: who administers Lake Formation, besides the role that deploys.
        readers: classification → who reads columns up to it: those of ``internal`` read what is public and
            internal, and neither what is confidential nor what is personal.
    """

    admins: list[Principal] = []
    readers: dict[Classification, list[Principal]] = {}


class Athena(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The workgroup that queries run in.

    Attributes:
        scan_limit_gb: a query that would read more is cancelled; Athena's price is by what is read.
        result_days: how long results are kept.
    """

    scan_limit_gb: Annotated[int, msgspec.Meta(ge=1)]
    result_days: Days


LogLevel = Literal["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]


class Mwaa(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An environment of Managed Workflows for Apache Airflow, in the network's first two zones.

    It costs by the hour, whether something runs or not. Its workers install what DAGs and dbt need from the package
    index, so that the network has to have ``nat``.

    Attributes:
        environment_class: how large its parts are. A task waits in a worker while its job runs, five at a time in
            one of mw1.small; mw1.micro has one worker, which the scheduler shares.
        min_workers: how many workers there always are; one is in the price of the environment.
        max_workers: the most that there are when tasks wait.
        schedulers: how many schedulers there are; two are in the price, mw1.micro has one.
        webserver: who has a way to Airflow's pages, where IAM then asks for a right too: ``PRIVATE_ONLY``: who is
            inside the network, or connected with it; ``PUBLIC_ONLY``: everybody.
        log_level: what schedulers, workers, the web server and the DAG processor log.
        task_log_level: what tasks log.
        maintenance: when MWAA may change it for two hours, in UTC, by the half hour.
        worker_replacement: what an update of it does with tasks that run: ``GRACEFUL``: they have up to twelve
            hours to end; ``FORCED``: they fail, and are tried again.
    """

    environment_class: Literal["mw1.micro", "mw1.small", "mw1.medium", "mw1.large", "mw1.xlarge", "mw1.2xlarge"] = (
        "mw1.small"
    )
    min_workers: Annotated[int, msgspec.Meta(ge=1, le=25)] = 1
    max_workers: Annotated[int, msgspec.Meta(ge=1, le=25)] = 5
    schedulers: Annotated[int, msgspec.Meta(ge=1, le=5)] = 2
    webserver: Literal["PRIVATE_ONLY", "PUBLIC_ONLY"] = "PRIVATE_ONLY"
    log_level: LogLevel = "WARNING"
    task_log_level: LogLevel = "INFO"
    maintenance: Annotated[str, msgspec.Meta(pattern=r"^(MON|TUE|WED|THU|FRI|SAT|SUN):([01]\d|2[0-3]):(00|30)$")] = (
        "SUN:03:30"
    )
    worker_replacement: Literal["GRACEFUL", "FORCED"] = "GRACEFUL"

    def __post_init__(self) -> None:
        if self.min_workers > self.max_workers:
            raise ValueError("min_workers is more than max_workers")
        if self.environment_class == "mw1.micro":
            if (self.max_workers, self.schedulers) != (1, 1):
                raise ValueError("mw1.micro has one worker and one scheduler")
        elif self.schedulers < 2:
            raise ValueError("an environment larger than mw1.micro has two schedulers or more")


class DbtTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """dbt as a container task on Fargate, in the network; Airflow runs dbt itself and needs none.

    A Postgres outside of the network is reached through ``nat``.

    Attributes:
        image: an image's URI in a registry, with a version; None: ``cdk deploy`` builds it from the checkout, for which
            it needs a Docker engine.
        cpu: in 1024ths of a vCPU.
        memory_mib: in MiB; Fargate has a few sizes for each ``cpu``.
        timeout_minutes: after which a run that a state machine waits for is stopped.
        mask_salt: whether a secret is made, and never changed, that salts the masks of personal data. Whatever else
            runs dbt on the same warehouse has to take the same; False: none, for a warehouse on this machine only.
    """

    image: Image | None = None
    cpu: Literal[256, 512, 1024, 2048, 4096] = 1024
    memory_mib: Annotated[int, msgspec.Meta(multiple_of=512)] = 2048
    timeout_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 60
    mask_salt: bool = True

    def __post_init__(self) -> None:
        _check_fargate_size(self.cpu, self.memory_mib)


def _check_fargate_size(cpu: int, memory_mib: int) -> None:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
    least, most = {256: (512, 2048), 4096: (8192, 30720)}.get(cpu, (2 * cpu, 8 * cpu))
    if not least <= memory_mib <= most or (memory_mib % 1024 and memory_mib != 512):
        raise ValueError(f"with a cpu of {cpu}, memory_mib is from {least} to {most}, in steps of 1024")


Https = Annotated[str, msgspec.Meta(pattern=r"^https://[^\s/]+(/\S*)?$")]


class Oidc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who says who somebody is: an identity provider that speaks OpenID Connect.

    Its addresses are in its own ``/.well-known/openid-configuration``. Who may come in is decided there: give the
    application to the people who may. It sends them back to ``https://{domain}/oauth2/idpresponse``.

    Attributes:
        issuer, authorization_endpoint, token_endpoint, user_info_endpoint: its addresses. The load balancer itself
            asks the last two, so that they are reached from the internet.
        client_id: what it calls the console.
        client_secret: the name of a secret in Secrets Manager whose member ``client_secret`` holds the console's; you
            make it before you deploy. A new value is taken by the next deployment that changes the load balancer.
        scope: what is asked of it; ``openid`` is always among it.
        session_hours: after how long somebody is asked again.
    """

    issuer: Https
    authorization_endpoint: Https
    token_endpoint: Https
    user_info_endpoint: Https
    client_id: Text
    client_secret: Annotated[str, msgspec.Meta(pattern=r"^[\w/+=.@-]+$")]
    scope: Annotated[str, msgspec.Meta(pattern=r"^(.* )?openid( .*)?$")] = "openid email"
    session_hours: Annotated[int, msgspec.Meta(ge=1, le=168)] = 8


class Console(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The console (`ingot ui`) on ECS Fargate, behind a load balancer that lets in whom an identity provider knows.

    It stands in the network, which has ``nat`` and at least 1,024 addresses (``/22``), and reads Postgres or Aurora as
    a user who may read only.

    Attributes:
        domain: its host name. Point it at the load balancer, whose name is an output of the stack.
        certificate: the ARN of the name's certificate, in the same region.
        oidc: who says who somebody is.
        addresses: who has a way to it, before anybody is asked who they are: your office's or your VPN's addresses,
            or ``0.0.0.0/0``.
        internal: True: the load balancer has private addresses only, for whoever is connected with the network.
        web_acl: the ARN of a web ACL of WAF's to put before it; None: there is none.
        image: an image's URI in a registry, with a version; None: ``cdk deploy`` builds it from the checkout, for which
            it needs a Docker engine.
        architecture: what the image is built for; ``arm64`` is cheaper by a fifth, and built on such a machine.
        cpu: in 1024ths of a vCPU.
        memory_mib: in MiB; Fargate has a few sizes for each ``cpu``.
        tasks: how many there are: two are in two zones.
        insights: whether CloudWatch's Container Insights watch the cluster, which are metrics that cost.
    """

    domain: Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9-]+\.)+[a-z]{2,}$")]
    certificate: Annotated[str, msgspec.Meta(pattern=r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+$")]
    oidc: Oidc
    addresses: Annotated[
        list[Annotated[str, msgspec.Meta(pattern=r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$")]], msgspec.Meta(min_length=1)
    ]
    internal: bool = False
    web_acl: Annotated[str, msgspec.Meta(pattern=r"^arn:aws[a-z-]*:wafv2:.+:regional/webacl/.+$")] | None = None
    image: Image | None = None
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    cpu: Literal[256, 512, 1024, 2048, 4096] = 512
    memory_mib: Annotated[int, msgspec.Meta(multiple_of=512)] = 1024
    tasks: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    insights: bool = True

    def __post_init__(self) -> None:
        _check_fargate_size(self.cpu, self.memory_mib)


class SmokeTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A CodeBuild project that tries a deployment: a day of a source, dbt, and a look at gold.

    Attributes:
        source: which.
        first_day: what the first run takes; a day with records, so that gold has rows. Each further run takes the
            next day that is not there yet.
    """

    source: Text
    first_day: datetime.date


class EventStreams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Kinesis streams, and Firehose behind them, for the streams of sources that declare a ``delivery``.

    Attributes:
        retention_hours: how long Kinesis keeps an event; longer than a day costs more.
        buffer_seconds: how long Firehose collects the events of a day before it puts them down as an object: the
            least time from an event to its batch, and the fewer the larger objects.
        buffer_mb: how much it collects at most, before compression.
        landing_days: how long what landed is kept, taken or not; None: for ever. Every batch lists all that is there.
    """

    retention_hours: Annotated[int, msgspec.Meta(ge=24, le=8760)] = 24
    buffer_seconds: Annotated[int, msgspec.Meta(ge=1, le=900)] = 60
    buffer_mb: Annotated[int, msgspec.Meta(ge=64, le=128)] = 64
    landing_days: Days | None = 90


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One environment.

    Attributes:
        environment: its name, part of every other name.
        account: the account's number; None: that of the credentials at hand.
        region: where it is deployed.
        synthesizer: ``default`` deploys through the roles that ``cdk bootstrap`` makes;
            ``cli-credentials`` with the caller's own, where there are no such roles.
        protect_data: True: nothing that holds data is ever deleted; False: the first of the two keys.
        schedules: whether the sources' schedules are followed, or only people start runs.
        step_functions: True: a state machine a source runs its steps, and follows its schedule in the place of
            Airflow, whose DAGs then wait for people; False: there is none.
        poll_seconds: how often the orchestrator asks a job whether it is done.
        observability: metrics, alarms and a dashboard; None: there are none.
        log_retention_days: how long logs are kept; CloudWatch Logs takes a few fixed periods only.
        noncurrent_version_days: how long an overwritten or deleted object can be recovered.
        transitions: storage class → age in days from which on data is kept there.
        object_lock: of the Bronze bucket; None: versions can be deleted, and expire.
        lake_formation: who reads which columns through the catalog; None: IAM alone decides, table by table.
        athena: the workgroup.
        network: a VPC; None: there is none, and all that runs does so in AWS's own network.
        warehouse: which, and how large: a Postgres that is there, Aurora or Redshift.
        dbt_task: dbt as a container task, which the state machines run when a source is loaded; None: they transform
            nothing.
        mwaa: Airflow as a service; None: there is none, and the DAG bundle waits in its bucket.
        smoke_test: what a deployment is tried with; None: there is none.
        event_streams: how events get to the landing prefix; None: there are none, whatever sources declare.
        landing_window_seconds: with ``step_functions``: how long what lands of a source is waited for, from the first
            object on, before its state machine is started for all of it; None: only schedules and people start it.
        lineage: where what was read and written is reported; None: nowhere.
        console: the console for a team; None: there is none, and `ingot ui` shows an environment to one person.
    """

    environment: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9]{1,11}$")]
    account: Annotated[str, msgspec.Meta(pattern="^[0-9]{12}$")] | None
    region: str
    synthesizer: Literal["default", "cli-credentials"]
    protect_data: bool
    schedules: bool
    step_functions: bool
    poll_seconds: Annotated[int, msgspec.Meta(ge=1)]
    observability: Observability | None
    log_retention_days: Literal[7, 30, 90, 365]
    noncurrent_version_days: Days
    transitions: dict[StorageClass, Days]
    object_lock: ObjectLock | None
    lake_formation: LakeFormation | None
    athena: Athena
    network: Network | None
    warehouse: Warehouse
    dbt_task: DbtTask | None
    mwaa: Mwaa | None
    smoke_test: SmokeTest | None
    event_streams: EventStreams | None = None
    landing_window_seconds: Annotated[int, msgspec.Meta(ge=0, le=300)] | None = None
    console: Console | None = None
    lineage: Lineage | None = None

    def __post_init__(self) -> None:
        if self.landing_window_seconds is not None and not self.step_functions:
            raise ValueError("landing_window_seconds needs step_functions: it says when a state machine is started")
        if self.dbt_task and self.network is None:
            raise ValueError("dbt_task needs a network")
        if self.lake_formation and self.synthesizer == "cli-credentials" and not self.lake_formation.admins:
            raise ValueError("without the roles of cdk bootstrap, lake_formation.admins has to name who deploys")
        if isinstance(self.warehouse, Redshift) and self.network and len(self.network.zones) < 3:
            raise ValueError("Redshift Serverless needs a network of three zones")
        if self.mwaa and not (self.network and self.network.nat):
            raise ValueError("mwaa needs a network with nat: its workers install from the package index")
        if self.console:
            self._check_console()
        if isinstance(self.warehouse, Postgres) and not self.warehouse.private:
            return
        if self.network is None:
            raise ValueError("a warehouse of Aurora or Redshift, or a private Postgres, needs a network")
        if self.smoke_test and not self.network.nat:
            raise ValueError("smoke_test needs a network with nat: it installs from the package index")

    def _check_console(self) -> None:
        if not (self.network and self.network.nat):
            raise ValueError("console needs a network with nat: it asks for the keys that the load balancer signs with")
        if int(self.network.cidr.rpartition("/")[2]) > _CONSOLE_PREFIX:
            raise ValueError(f"console needs a network of /{_CONSOLE_PREFIX} or larger, for its subnets")
        if isinstance(self.warehouse, Redshift):
            raise ValueError("console reads Postgres and Aurora, and no Redshift")

    @property
    def masks_are_salted(self) -> bool:
        """Whether something in the account runs dbt, whose masks then want a secret salt."""
        return bool(self.mwaa or self.smoke_test or (self.dbt_task and self.dbt_task.mask_salt))


def load_settings(environment: str, variables: Mapping[str, str], file: Path = SETTINGS_FILE) -> Settings:
    """The settings of one environment.

    Args:
        environment: which one.
        variables: where placeholders are looked up: the process's environment.
        file: the settings of all environments.

    Raises:
        ConfigurationError: there is no such environment, a key is unknown or missing, a value is wrong, or
            a placeholder's variable is not set.
    """
    every = yaml.safe_load(file.read_text(encoding="utf-8"))
    every.pop(DELIVERY, None)
    if environment not in every:
        raise ConfigurationError(
            f"{file} has no environment {environment!r}.", hint=f"choose -c environment={'|'.join(every)}"
        )
    values = _expand(every[environment], variables, path=environment, file=file)
    try:
        # Not strict: a port that comes from a variable is a string of digits.
        return msgspec.convert({"environment": environment, **values}, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{file}, environment {environment}: {error}.",
            hint=f"correct the file; the keys are described in {Path(__file__).name}",
        ) from error


def _expand(value: Any, variables: Mapping[str, str], *, path: str, file: Path) -> Any:
    """Replaces ``${NAME}`` in every string below a value."""
    if isinstance(value, dict):
        return {key: _expand(inner, variables, path=f"{path}.{key}", file=file) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    for name in _PLACEHOLDER.findall(value):
        if not variables.get(name):
            raise ConfigurationError(
                f"{path} in {file} takes the environment variable {name}, which is not set.",
                hint=f"export {name}=…, or write the value itself into the file",
            )
    return _PLACEHOLDER.sub(lambda match: variables[match[1]], value)
