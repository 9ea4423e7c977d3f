"""Which failures of dbt are worth another try, and what its runs came to, as metrics.

dbt's exit code tells: 1, "completed with at least one handled error", is a model that does not run or a test
that does not hold, and will be so again; 2 is all else, above all a warehouse that cannot be reached.

MWAA hears no StatsD of ours, so that there metrics are lines of CloudWatch's embedded metric format in the log group of
its tasks, in a stream of their own: a task's own lines are JSON of Airflow's, of which CloudWatch makes no metrics.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

if TYPE_CHECKING:
    from airflow.sdk import Context

# The words of Cosmos, which keeps the number nowhere else; a test holds them to the installed version.
HANDLED_ERROR = "non-zero exit code 1."


class TransientOnly(RetryPolicy):
    """Retry what a second try can change: never a model's error or a failed test."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        if HANDLED_ERROR in str(exception):
            return RetryDecision.fail("a model or a test failed: the log above says which and why")
        return RetryDecision.default()


log = logging.getLogger(__name__)


def emit_metrics(project: str, *, namespace: str, log_group: str, context: Context) -> None:
    """Emit what a run of dbt came to, whatever that is; Cosmos calls it before it looks whether dbt failed.

    Nothing that goes wrong here fails the task.

    Args:
        project: the folder that dbt ran in.
        namespace: of our metrics in CloudWatch; empty: none go there.
        log_group: where their lines go.
        context: of the task.
    """
    script = Path(__file__).with_name("dbt") / "run_metrics.py"
    try:
        done = subprocess.run(
            [sys.executable, str(script), str(Path(project) / "target")],
            env={**os.environ, "INGOT_METRICS_NAMESPACE": namespace},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        if done.stderr:
            log.warning(done.stderr)
        if lines := done.stdout.splitlines():
            ti = context["ti"]
            _put_lines(lines, log_group, f"metrics/{ti.dag_id}/{ti.task_id}/{time.time_ns()}")
    except Exception:
        log.warning("the metrics of this run of dbt are lost", exc_info=True)


def _put_lines(lines: list[str], group: str, stream: str) -> None:
    import boto3  # here, as parsing a DAG needs it not
    from botocore.config import Config

    # Its own patience is five minutes, and each model would wait so long.
    patience = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})
    logs = boto3.client("logs", config=patience)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(1000 * time.time())
    events = [{"timestamp": now, "message": line} for line in lines]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
