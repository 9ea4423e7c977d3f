"""Ours: one `dbt build` as a scheduled run does it, with what a deployment ships of the parsed project."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from tests.bench.warehouse import connect

ROOT = Path(__file__).parents[3]
COMMANDS = {
    "full": ["build", "--full-refresh", "--exclude-resource-type", "unit_test"],
    "increment": ["build", "--exclude-resource-type", "unit_test"],
    "start": ["ls", "--select", "orders", "--output", "name"],  # all that comes before the warehouse
}


def dbt(what):
    """Run it; its seconds, and those of the models and tests that took longest."""
    state = Path(os.environ["INGOT_HOME"]) / "dbt"
    state.mkdir(exist_ok=True)
    (state / "run_results.json").unlink(missing_ok=True)
    places = ["--project-dir", "dbt", "--profiles-dir", "dbt", "--target-path", str(state), "--log-path", str(state)]
    begun = perf_counter()
    subprocess.run([sys.executable, "dbt/parsed.py", str(state)], cwd=ROOT, check=True)
    line = [str(ROOT / ".venv-dbt" / "bin" / "dbt"), "--quiet", *COMMANDS[what], "--target", "postgres", *places]
    done = subprocess.run(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    seconds = perf_counter() - begun
    assert done.returncode == 0, done.stdout[-3000:]
    longest = {}
    if (state / "run_results.json").exists():
        results = json.loads((state / "run_results.json").read_text())["results"]
        times = {each["unique_id"].split(".")[2]: round(each["execution_time"], 2) for each in results}
        longest = dict(sorted(times.items(), key=lambda item: -item[1])[:12])
    return seconds, longest


def server_cpu():
    """Seconds of CPU of Postgres, with the sessions that have ended."""
    fields = Path(f"/proc/{os.environ['BENCH_POSTGRES_PID']}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def main():
    what, before = os.environ["BENCH_WHAT"], server_cpu()
    seconds, longest = dbt(what)
    answer = {"seconds": seconds, "server_cpu": round(server_cpu() - before, 2), "longest": longest}
    if what in ("full", "increment"):
        with connect() as connection:
            there = "select from silver.orders where order_id = id"
            counted = f"select count(*) from bronze.fakestore_carts where not exists ({there})"
            ((answer["missing"],),) = connection.execute(counted).fetchall()
    print(json.dumps(answer | {"versions": {"psycopg": version("psycopg")}}))


if __name__ == "__main__":
    main()
