"""Ports and passwords are chosen once and remembered."""

from __future__ import annotations

import json
import socket
import stat

from laptop.environment import Environment
from laptop.memory import Memory
from laptop.paths import Home


def test_a_port_is_the_same_after_a_restart(home: Home) -> None:
    first = Memory(home.memory).port("cloud", running=False)
    assert Memory(home.memory).port("cloud", running=False) == first


def test_a_port_that_somebody_else_took_meanwhile_is_given_up(home: Home) -> None:
    first = Memory(home.memory).port("cloud", running=False)
    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
        other.listen()
        assert Memory(home.memory).port("cloud", running=False) != first


def test_a_port_that_the_service_itself_holds_is_kept(home: Home) -> None:
    first = Memory(home.memory).port("cloud", running=False)
    with socket.socket() as itself:
        itself.bind(("127.0.0.1", first))
        itself.listen()
        assert Memory(home.memory).port("cloud", running=True) == first


def test_two_services_never_share_a_port(home: Home) -> None:
    memory = Memory(home.memory)
    ports = [memory.port(f"service-{number}", running=False) for number in range(20)]
    assert len(set(ports)) == len(ports)


def test_a_password_is_made_once_and_only_its_owner_can_read_it(home: Home) -> None:
    password = Memory(home.memory).secret("postgres")
    assert Memory(home.memory).secret("postgres") == password
    assert Memory(home.memory).secret("airflow") != password
    assert len(password) >= 24
    assert stat.S_IMODE(home.memory.stat().st_mode) == 0o600


def environment(home: Home, **source_urls: str) -> Environment:
    return Environment(
        home=home,
        cloud_port=4566,
        warehouse_host="127.0.0.1",
        warehouse_port=5432,
        statsd="127.0.0.1:8125",
        source_urls=source_urls,
    )


def test_the_environment_file_is_read_back_as_it_was_written(home: Home) -> None:
    wanted = environment(home, FAKESTORE="http://localhost:1")
    lines = wanted.dotenv().splitlines()
    assert dict(line.split("=", 1) for line in lines) == wanted.variables
    assert wanted.variables["AWS_ENDPOINT_URL"] == "http://localhost:4566"


def test_with_the_live_source_jobs_are_told_no_url(home: Home) -> None:
    assert "INGOT_SOURCE_URL_FAKESTORE" in environment(home, FAKESTORE="http://localhost:1").variables
    assert not [name for name in environment(home).variables if name.startswith("INGOT_SOURCE_URL")]


def test_the_environment_file_holds_no_password(home: Home) -> None:
    passwords = [Memory(home.memory).secret(name) for name in ("postgres", "airflow.admin")]
    assert not [one for one in passwords if one in environment(home).dotenv()]
    assert json.loads(home.memory.read_text())
