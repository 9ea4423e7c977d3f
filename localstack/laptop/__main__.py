"""``python -m laptop up|demo|down|status|clean|env``."""

from __future__ import annotations

import argparse
import shutil
import sys

from rich.console import Console
from rich.markup import escape

from laptop.errors import LaptopError
from laptop.paths import Home
from laptop.services import Laptop, require_tools


def main(argv: list[str] | None = None) -> int:
    """Do one thing; returns the exit code: 0, 1 if a step failed, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="laptop", description="Ingot on a laptop: services, demo, state.")
    parser.add_argument(
        "action", choices=sorted(ACTIONS), help="; ".join(f"{k}: {v.__doc__}" for k, v in ACTIONS.items())
    )
    parser.add_argument(
        "--source", choices=["recorded", "live"], default="recorded", help="the recordings, or the real APIs"
    )
    options = parser.parse_args(argv)
    console = Console(highlight=False)
    try:
        ACTIONS[options.action](Laptop(home=Home.find(), live=options.source == "live"), console)
    except LaptopError as error:
        console.print(f"\n[bold red]{escape(error.what)}[/]")
        if error.detail:
            console.print(escape(error.detail), soft_wrap=True)
        console.print(f"[bold]{escape(error.hint)}[/]", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted. What was started goes on: `make down` stops it, `make demo` continues.")
        return 130
    return 0


def _up(laptop: Laptop, console: Console) -> None:
    """start the services, deploy, and leave everything running"""
    from laptop.airflow import Airflow
    from laptop.demo import up
    from laptop.deploy import Deployment
    from laptop.progress import Steps

    require_tools(laptop.home)
    with Steps(console) as steps:
        up(laptop, Airflow(laptop), Deployment(laptop), steps)


def _demo(laptop: Laptop, console: Console) -> None:
    """the same, then from the API to gold tables"""
    from laptop.demo import demo

    demo(laptop)


def _down(laptop: Laptop, console: Console) -> None:
    """stop everything, the databases last"""
    from laptop.airflow import Airflow

    stopped = [*Airflow(laptop).stop(), *laptop.stop()]
    console.print(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")


def _status(laptop: Laptop, console: Console) -> None:
    """what runs, where"""
    from laptop.airflow import Airflow

    airflow = Airflow(laptop)
    places = {
        "postgres": f"{laptop.postgres.host}:{laptop.postgres.port}",
        "source": laptop.source.url,
        "cloud": laptop.cloud.url,
        "metrics": f"{laptop.metrics.url}/metrics",
        "airflow-api-server": airflow.url,
    }
    parts = (laptop.postgres, laptop.source, laptop.cloud, laptop.metrics)
    services = [*(part.service for part in parts), laptop.dbt, *airflow.services]
    for service in services:
        process = service.process()
        state = f"[green]up[/]   pid {process.pid:<8}" if process else "[dim]down[/]             "
        console.print(f"{service.name:<24} {state} {places.get(service.name, '')}")


def _clean(laptop: Laptop, console: Console) -> None:
    """stop everything and remove the state folder"""
    _down(laptop, console)
    shutil.rmtree(laptop.home.folder)
    console.print(f"Removed {laptop.home.folder}.")


def _env(laptop: Laptop, console: Console) -> None:
    """print .ingot/env"""
    sys.stdout.write(laptop.environment.dotenv())


ACTIONS = {"up": _up, "demo": _demo, "down": _down, "status": _status, "clean": _clean, "env": _env}

if __name__ == "__main__":
    sys.exit(main())
