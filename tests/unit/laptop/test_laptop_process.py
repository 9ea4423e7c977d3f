"""Services are detached processes that are found again, and never mistaken for another's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import psutil
import pytest
from laptop.errors import LaptopError
from laptop.paths import Home
from laptop.process import Service

FOREVER = "import time; print('hello', flush=True); time.sleep(600)"


def service(home: Home, code: str = FOREVER, name: str = "thing", **more: float) -> Service:
    return Service(home=home, name=name, command=[sys.executable, "-c", code], **more)  # type: ignore[arg-type]


def test_a_service_is_found_again_by_another_process_and_stopped(home: Home) -> None:
    assert service(home).start()
    process = service(home).process()
    assert process is not None
    assert os.getsid(process.pid) != os.getsid(0)  # Ctrl-C at our terminal does not reach it
    assert not service(home).start()
    assert service(home).stop()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert service(home).process() is None
    assert not service(home).stop()


def test_a_pid_that_now_belongs_to_somebody_else_is_not_taken_for_the_service(home: Home) -> None:
    """The machine was restarted, or the service killed, and the pid given out again."""
    file = home.run / "thing.json"
    file.write_text(json.dumps({"pid": os.getpid(), "created": psutil.Process().create_time() - 1000}))
    assert service(home).process() is None
    assert not service(home).stop()  # and above all does not end this process


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_broken_pid_file_counts_as_not_running(home: Home, text: str) -> None:
    (home.run / "thing.json").write_text(text)
    assert service(home).process() is None


def test_a_service_that_dies_while_starting_is_reported_with_the_end_of_its_log(home: Home) -> None:
    broken = service(home, "import sys; print('line'); sys.exit('no such option')")
    broken.start()
    with pytest.raises(LaptopError) as caught:
        broken.wait_until(lambda: False, seconds=20)
    assert caught.value.what == "thing ended while it was starting."
    assert "no such option" in caught.value.detail
    assert str(broken.log) in caught.value.hint


@pytest.mark.parametrize("then", ["service.stop()", "service.wait_until(lambda: False, seconds=20)"])
def test_a_service_that_ended_by_itself_is_not_taken_for_one_that_still_runs(home: Home, then: str) -> None:
    """Python warns of a process that was started and never asked for its end, when its own end comes."""
    code = (
        "import contextlib, pathlib, sys, time\n"
        "from laptop.errors import LaptopError\n"
        "from laptop.paths import Home\n"
        "from laptop.process import Service\n"
        "service = Service(home=Home(pathlib.Path(sys.argv[1])), name='thing', command=[sys.executable, '-c', ''])\n"
        "service.start()\n"
        "while service.process(): time.sleep(0.02)\n"
        f"with contextlib.suppress(LaptopError): {then}\n"
    )
    path = {"PYTHONPATH": os.pathsep.join(map(str, (home.checkout / "localstack", home.checkout)))}
    command = [sys.executable, "-W", "error", "-c", code, str(home.folder)]
    done = subprocess.run(command, env={**os.environ, **path}, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_service_that_never_gets_ready_is_reported_in_time(home: Home) -> None:
    slow = service(home)
    slow.start()
    try:
        while "hello" not in slow.tail():
            time.sleep(0.02)
        with pytest.raises(LaptopError, match="not ready within 0 seconds") as caught:
            slow.wait_until(lambda: False, seconds=0.2)
        assert caught.value.detail == "hello"
    finally:
        slow.stop()


def test_a_service_that_ignores_the_request_to_end_is_killed_with_its_children(home: Home) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)"
    )
    stubborn = service(home, code, stop_seconds=0.3)
    stubborn.start()
    while "ready" not in stubborn.tail():
        time.sleep(0.02)
    process = stubborn.process()
    assert process is not None
    children = process.children()
    assert len(children) == 1
    assert stubborn.stop()
    assert not [one for one in (process, *children) if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
