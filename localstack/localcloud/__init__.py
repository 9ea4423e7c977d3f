"""The cloud on a laptop: moto's server, with what moto only pretends to do made real behind the same API.

One process on loopback. Each package or module here extends one service and has an `install()`
that hooks it into moto before the first request is served:

- `s3`              conditions of bucket policies, conditional writes under concurrency
- `permissions`     what IAM would refuse, while checks are on
- `objects`         the objects of all buckets survive a restart
- `glue`            job runs are executed, as subprocesses, under the job's own role
- `stepfunctions`   executions of state machines are executed, under the machine's own role
- `cloudformation`  stacks: every resource type through its service's API, or the stack fails
- `refusals`        an error for calls that moto would answer with a success it did not earn

Run it with `python -m localcloud --help`. Of Ingot it knows one thing:
variables that begin with `INGOT_` are passed on to jobs (`glue.execution.PASSED`).
"""
