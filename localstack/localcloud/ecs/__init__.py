"""ECS: Fargate tasks that run, each as a process of this machine.

- `tasks`      tasks and their states, as ECS gives them
- `container`  what a task's container is run with: the program that stands for its image, environment, secrets, logs
- `backend`    the hook into moto

There are no images here: `LOCALCLOUD_ECS_IMAGES` says which program of this machine stands for one, as JSON:
`{"ingot/dbt": ["/where/dbt-image.sh"]}`, the image's name without tag or digest → the words that its ENTRYPOINT is. The
container's `command` follows them. The program does for itself what the image would (its ENV, its WORKDIR).

Not emulated: services (they are kept, and wait for their tasks for ever), EC2 and external instances, a second
container, mounts (TMPDIR and HOME are a folder of the task's own), the user, the read-only root, the network (a task
has a network interface, and no use of it).
"""

from __future__ import annotations


def install() -> None:
    """Hook into moto. Call once."""
    from localcloud.ecs import backend

    backend.install()


def stop_all_tasks() -> None:
    """End the processes of all tasks, and wait for them."""
    from localcloud.ecs.backend import active_tasks

    tasks = active_tasks()
    for task in tasks:
        task.stop("The local cloud ends")
    for task in tasks:
        task.wait(seconds=10)
