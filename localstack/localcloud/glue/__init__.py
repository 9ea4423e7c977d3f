"""Glue: job runs that run.

- `jobs`       jobs and their runs, with the states that Glue gives them
- `execution`  one attempt: script, modules, role, subprocess, time limit
- `modules`    wheels and archives from S3, and packages that the environment must have (`installed` says which)
- `logs`       the lines of a run, as they come, in CloudWatch Logs
- `rulesets`   Data Quality rulesets; `data_quality`, its `_runs` and `_rules` evaluate them
- `backend`, `responses`, `urls`  the hook into moto, with the operations that it lacks
- `shim/`      the `awsglue` package as a job finds it
"""

from __future__ import annotations


def install() -> None:
    """Hook into moto. Call once."""
    from localcloud.glue import data_quality, rulesets
    from localcloud.glue.backend import use_as_backend

    use_as_backend()
    rulesets.install()
    data_quality.install()


def stop_all_runs() -> None:
    """End the processes of all runs, and wait for them."""
    from localcloud.glue.backend import active_runs

    runs = active_runs()
    for run in runs:
        run.stop()
    for run in runs:
        run.wait(seconds=10)
