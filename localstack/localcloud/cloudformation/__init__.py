"""CloudFormation: stacks whose every resource is made through its service's API, or which fail.

- `template`   parameters, conditions, intrinsic functions, order
- `stack`      deploy, roll back, delete
- `backend`    the hook into moto; change sets and exports
- `resources`  what a resource type is; `types/` has one module a service
- `api`        calls checked against botocore's service models
"""

from __future__ import annotations


def install() -> None:
    """Hook into moto. Call once."""
    from localcloud.cloudformation import types
    from localcloud.cloudformation.backend import use_as_backend

    types.load()
    use_as_backend()
