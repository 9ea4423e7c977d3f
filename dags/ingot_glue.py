"""A Glue job as a task that fails when its job fails, says why, and is retried only when that can help."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

_VERDICT = re.compile(r"\b(TRANSIENT|TERMINAL) ([\w.]+: .*)", re.DOTALL)
_OVER = {"SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED", "ERROR", "EXPIRED"}


class GlueStepOperator(GlueJobOperator):
    """Run a deployed Glue job and wait for it.

    It differs from its parent, which waits through ``GlueJobHook.job_completion``, in four things:

    - a job that someone stopped is a failure (the parent takes ``STOPPED`` for success) and the states
      ``ERROR`` and ``EXPIRED`` end the wait (the parent polls for ever);
    - the job's own reason is the error of the task;
    - a reason that begins with ``TERMINAL`` fails the task without another try; anything else, a
      ``TRANSIENT`` reason, a time-out or a lost worker, is left to ``retries``;
    - a job that is not deployed is an error that says so (the parent tries to create one).

    Args:
        job_name: A job that the stacks created.
        script_args: ``--name`` to value, on top of the job's own defaults.
        job_poll_interval: Seconds between two looks at the run.
    """

    def __init__(self, **kwargs: Any) -> None:
        # No connection: boto3's default chain, which is the worker's role on MWAA. No deferral: a job on a
        # laptop ends in seconds, and MWAA's triggerer is asked for by `deferrable` in the parent only.
        kwargs = {
            "aws_conn_id": None,
            "stop_job_run_on_kill": True,
            **kwargs,
            "wait_for_completion": False,
            "deferrable": False,
        }
        super().__init__(**kwargs)

    def execute(self, context: Context) -> str:
        """Start the job, wait for its end and return the run's id.

        Raises:
            AirflowFailException: The job failed for a reason that another try cannot change.
            AirflowException: The job failed for any other reason.
        """
        if not self.hook.has_job(self.job_name):
            raise AirflowFailException(
                f"There is no Glue job {self.job_name!r}. Deploy the stacks of this environment (cdk deploy), "
                "or correct job_prefix in bundle.json."
            )
        if parent := self._lineage_parent(context):
            self.script_args = {**(self.script_args or {}), "--lineage_parent": parent}
        run_id: str = super().execute(context)
        self._raise_for(self._wait(run_id))
        return run_id

    def _lineage_parent(self, context: Context) -> str:
        """This task's run in OpenLineage, for the job's run to be a part of; empty where nothing is reported."""
        try:
            from airflow.providers.openlineage import conf
            from airflow.providers.openlineage.plugins.macros import lineage_parent_id

            return "" if conf.is_disabled() else lineage_parent_id(context["ti"])
        except Exception as error:  # no task fails for its lineage
            self.log.info("The job's lineage is not joined to this task's: %s", error)
            return ""

    def _wait(self, run_id: str) -> dict[str, Any]:
        last_state = None
        while True:
            run: dict[str, Any] = self.hook.conn.get_job_run(JobName=self.job_name, RunId=run_id)["JobRun"]
            state = run["JobRunState"]
            if state != last_state:  # one line a change, not one a poll: a run may take an hour
                self.log.info("Glue job %s, run %s: %s", self.job_name, run_id, state)
                last_state = state
            if state in _OVER:
                return run
            time.sleep(self.job_poll_interval)

    def _raise_for(self, run: dict[str, Any]) -> None:
        """Turn a run that did not succeed into the exception that decides on another try."""
        state = run["JobRunState"]
        if state == "SUCCEEDED":
            return
        message = str(run.get("ErrorMessage") or "the job gave no reason; its log group has more")
        verdict, reason = read_reason(message)
        text = f"Glue job {self.job_name} {state}: {reason} (run {run['Id']})"
        if verdict == "TERMINAL":
            raise AirflowFailException(text)
        raise AirflowException(text)


def read_reason(message: str) -> tuple[str, str]:
    """Split a job's error message into a verdict and a reason.

    Our jobs end with ``TRANSIENT Class: message`` or ``TERMINAL Class: message``, and Glue may put words of
    its own before it. A message without a verdict (out of memory, no capacity) counts as transient.
    """
    if match := _VERDICT.search(message):
        return match[1], match[2].strip()
    return "TRANSIENT", message.strip()
