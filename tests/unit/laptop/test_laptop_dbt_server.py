"""The dbt that has its imports done is dbt: the same arguments, variables, folder, output and exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from laptop.paths import Home
from laptop.services import Laptop

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def laptop() -> Iterator[Laptop]:
    # A socket's path may have a hundred letters: pytest's own folders are longer.
    with tempfile.TemporaryDirectory(prefix="ingot-") as folder:
        home = Home(Path(folder))
        home.logs.mkdir()
        home.run.mkdir()
        services = Laptop(home=home)
        services._write_dbt_command()
        services.dbt.start()
        services.dbt.wait_until((home.run / "dbt.sock").exists, seconds=60)
        yield services
        services.dbt.stop()


def call(laptop: Laptop, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(laptop.home.dbt_command), *arguments],
        cwd=cwd,
        env={**os.environ, "DBT_LOG_PATH": str(cwd / "logs"), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without models."""
    (tmp_path / "macros").mkdir()
    (tmp_path / "dbt_project.yml").write_text("name: tiny\nprofile: ingot\nflags: {version_check: false}\n")
    shutil.copy(ROOT / "dbt/profiles.yml", tmp_path)
    return tmp_path


def test_each_call_has_its_own_callers_variables_folder_and_output(laptop: Laptop, project: Path) -> None:
    for greeting in ("hello", "bonjour"):
        done = call(laptop, "parse", "--no-partial-parse", cwd=project, DBT_ENV_CUSTOM_ENV_GREETING=greeting)
        assert "Running with dbt=1.11" in done.stdout
        manifest = json.loads((project / "target/manifest.json").read_text())
        assert manifest["metadata"]["env"] == {"GREETING": greeting}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["parse"], 0), (["build", "--select", "x", "--no-such-option"], 2), (["show", "--inline", "select 1"], 2)],
    ids=["success", "wrong call", "unreachable warehouse"],
)
def test_a_call_ends_with_dbts_exit_code(laptop: Laptop, project: Path, arguments: list[str], code: int) -> None:
    variables = {"INGOT_WAREHOUSE_PORT": "1"}
    served = call(laptop, *arguments, cwd=project, **variables)
    assert served.returncode == code, served.stdout


def test_a_call_whose_caller_is_ended_ends(laptop: Laptop, project: Path) -> None:
    server = laptop.dbt.process()
    assert server is not None
    own = server.children()  # multiprocessing's, which looks after the locks of all its calls
    loop = "{% for i in range(10000000) %}{% for j in range(10000000) %}{% endfor %}{% endfor %}"
    (project / "macros/say.sql").write_text("{% macro say() %}" + loop + "{% endmacro %}")
    caller = subprocess.Popen(
        [str(laptop.home.dbt_command), "run-operation", "say"],
        cwd=project,
        env={**os.environ, "DBT_LOG_PATH": str(project / "logs")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    forks = _wait(lambda: [one for one in server.children() if one not in own and one.status() != psutil.STATUS_ZOMBIE])
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    _, alive = psutil.wait_procs(forks, timeout=20)
    assert alive == []


def test_a_call_that_breaks_off_in_the_middle_ends(laptop: Laptop) -> None:
    server = laptop.dbt.process()
    assert server is not None
    own = server.children()
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(laptop.home.run / "dbt.sock"))
        socket.send_fds(caller, [struct.pack("!I", 1000)], [0, 1, 2])
        caller.sendall(b"{")
        forks = _wait(lambda: [one for one in server.children() if one not in own])
    _, alive = psutil.wait_procs(forks, timeout=20)
    assert alive == []


def _wait[T](look: Callable[[], T]) -> T:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError


def test_where_no_server_runs_the_real_dbt_answers(project: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ingot-") as folder:
        alone = Laptop(home=Home(Path(folder)))
        alone._write_dbt_command()
        done = call(alone, "--version", cwd=project)
    assert done.returncode == 0
    assert "installed" in done.stdout + done.stderr


CODE_OF_A_PARSE = """
import os
import sys
import dbt_server
import dbt.adapters.postgres, dbt.cli.main, dbt.task.build
from mashumaro.core.meta.code.builder import CodeBuilder

written, compile = 0, CodeBuilder.compile

def counted(self, *arguments, **options):
    global written
    written += 1
    return compile(self, *arguments, **options)

dbt_server.prepare()
if os.path.isdir("/proc/self/task"):
    assert len(os.listdir("/proc/self/task")) == 1, "a fork has the thread that forks and no other"
CodeBuilder.compile = counted
assert dbt.cli.main.dbtRunner().invoke(["--quiet", "parse", "--no-partial-parse", *sys.argv[1:]]).success
print(written)
"""


def test_what_dbt_writes_for_its_classes_is_written_before_a_call(laptop: Laptop, tmp_path: Path) -> None:
    """Of about 1,900 pieces of code for our project; without it every model's dbt would write them."""
    target = str(tmp_path)
    folders = ["--project-dir", "dbt", "--profiles-dir", "dbt", "--target-path", target, "--log-path", target]
    done = subprocess.run(
        [str(laptop.home.dbt.with_name("python")), "-c", CODE_OF_A_PARSE, *folders],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "localstack/laptop"), "INGOT_WAREHOUSE_PORT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 400
    assert "not prepared" not in done.stderr


def test_two_calls_are_two_invocations(laptop: Laptop, project: Path) -> None:
    ids = set()
    for _ in range(2):
        assert call(laptop, "parse", cwd=project).returncode == 0
        ids.add(json.loads((project / "target/manifest.json").read_text())["metadata"]["invocation_id"])
    assert len(ids) == 2
