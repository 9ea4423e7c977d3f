"""The names that the stacks create and the library, the jobs and the CLI look for.

One place, so that a bucket or a job is never spelt twice. Every name is a pure function of the
environment (``local``, ``dev``, ``prod``…), the account and the region.
"""

from __future__ import annotations

from dataclasses import dataclass

STEPS = ("extract", "refine", "load", "audit")
"""The steps of a batch in order; ``audit`` runs once a source, after all streams."""
OPERATIONS = ("replay", "rebuild")
"""What a person asks for, through the CLI."""
JOBS = STEPS + OPERATIONS
"""Every source has one Glue job of each."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """What things are called in one environment of one account and region."""

    environment: str
    account: str
    region: str

    def _bucket(self, purpose: str) -> str:
        return f"ingot-{self.environment}-{purpose}-{self.account}-{self.region}"

    @property
    def bronze_bucket(self) -> str:
        """Raw records, manifests, attempts and the quarantine."""
        return self._bucket("bronze")

    @property
    def lake_bucket(self) -> str:
        """Typed Parquet."""
        return self._bucket("lake")

    @property
    def artifacts_bucket(self) -> str:
        """What jobs run: scripts, the wheel, sources and contracts."""
        return self._bucket("artifacts")

    @property
    def dags_bucket(self) -> str:
        """The DAG bundle, laid out as MWAA reads it."""
        return self._bucket("dags")

    @property
    def airflow(self) -> str:
        """The environment of MWAA."""
        return f"ingot-{self.environment}"

    def airflow_log(self, kind: str) -> str:
        """The log group of one kind of Airflow's logs, as MWAA calls them: ``airflow-{environment}-Task``."""
        return f"airflow-{self.airflow}-{kind}"

    @property
    def athena_bucket(self) -> str:
        """Results of Athena's queries, until they expire."""
        return self._bucket("athena")

    @property
    def athena_workgroup(self) -> str:
        return f"ingot-{self.environment}"

    @property
    def glue_database(self) -> str:
        return f"ingot_{self.environment}_bronze"

    @property
    def warehouse_secret(self) -> str:
        """The name in Secrets Manager; Airflow reads it as the connection ``warehouse``."""
        return f"ingot/{self.environment}/warehouse"

    @property
    def reader_secret(self) -> str:
        """The name in Secrets Manager of the warehouse's user who may read only: the console's."""
        return f"ingot/{self.environment}/warehouse_reader"

    def source_secret(self, source: str) -> str:
        """The name in Secrets Manager of what a source asks for (a token, a password)."""
        return f"ingot/{self.environment}/source/{source}"

    def job(self, source: str, step: str) -> str:
        """The Glue job that runs one step, or one operation, for every stream of one source."""
        if step not in JOBS:
            raise ValueError(f"no such step: {step!r}; there are {', '.join(JOBS)}")
        return f"ingot-{self.environment}-{source}-{step}"

    def event_stream(self, source: str, stream: str) -> str:
        """The Kinesis stream that events of one stream are sent to, and the Firehose stream that delivers them."""
        return f"ingot-{self.environment}-{source}-{stream}"

    def state_machine(self, source: str) -> str:
        """The state machine that runs the steps of one source, and the schedule that starts it."""
        return f"ingot-{self.environment}-{source}"

    def landing_start(self, source: str) -> str:
        """The rule and the pipe that start the state machine of one source when something lands."""
        return f"ingot-{self.environment}-{source}-landed"

    @property
    def cluster(self) -> str:
        """Where container tasks run."""
        return f"ingot-{self.environment}"

    @property
    def mask_salt_secret(self) -> str:
        """The name in Secrets Manager of what dbt salts its masks with."""
        return f"ingot/{self.environment}/mask_salt"

    @property
    def dbt_task(self) -> str:
        """The task definition that builds silver and gold."""
        return f"ingot-{self.environment}-dbt"

    @property
    def console(self) -> str:
        """What shows an environment to a team: the cluster, the service, its tasks and the load balancer before it."""
        return f"ingot-{self.environment}-console"

    @property
    def smoke_test(self) -> str:
        """The CodeBuild project that tests a deployment."""
        return f"ingot-{self.environment}-smoke-test"

    @property
    def smoke_test_log(self) -> str:
        """Its log group."""
        return f"/ingot/{self.environment}/smoke-test"


LANDING = "landing/"
"""In the Bronze bucket: below it lies what landed, of all sources."""


LINEAGE = "lineage/"
"""In the Bronze bucket: below it, a folder a source, what jobs report in OpenLineage where that is kept in S3."""


def landing_prefix(source: str, stream: str) -> str:
    """In the Bronze bucket: below it lands what a stream in mode ``landed`` takes."""
    return f"{LANDING}{source}/{stream}/"


def failed_prefix(source: str, stream: str) -> str:
    """In the Bronze bucket: what Firehose could not partition, each record in an envelope of its own."""
    return f"{landing_prefix(source, stream)}failed/"


def table_name(source: str, stream: str) -> str:
    """The table of a stream, in the Glue Catalog as in the warehouse's ``bronze`` schema."""
    return f"{source}_{stream}"
