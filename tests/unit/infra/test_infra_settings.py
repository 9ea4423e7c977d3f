"""Settings: one file, one environment at a time, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infra.settings import SETTINGS_FILE, load_settings
from ingot.errors import ConfigurationError

LAPTOP = {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_PORT": "5433"}


def changed(tmp_path: Path, environment: str, **values: object) -> Path:
    every = yaml.safe_load(SETTINGS_FILE.read_text(encoding="utf-8"))
    every[environment] |= values
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(every), encoding="utf-8")
    return file


def test_the_laptops_warehouse_comes_from_the_processs_environment() -> None:
    warehouse = load_settings("local", LAPTOP).warehouse

    assert (warehouse.host, warehouse.port) == ("localhost", 5433)


def test_a_variable_that_is_not_set_is_named_with_the_setting_that_takes_it() -> None:
    with pytest.raises(ConfigurationError, match=r"local\.warehouse\.host.*INGOT_WAREHOUSE_HOST.*export"):
        load_settings("local", {})


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_an_account_needs_no_variables_and_never_takes_the_laptops(environment: str) -> None:
    settings = load_settings(environment, {})

    assert load_settings(environment, LAPTOP) == settings
    assert settings.warehouse.engine == "postgres"
    assert settings.network is not None


@pytest.mark.parametrize(
    ("network", "warehouse", "message"),
    [
        (None, {"engine": "aurora", "min_acu": 0, "max_acu": 2}, "needs a network"),
        (None, {"engine": "redshift"}, "needs a network"),
        (
            None,
            {"engine": "postgres", "host": "h", "port": 1, "dbname": "d", "username": "u", "private": True},
            "network",
        ),
        ({"zones": ["a", "b"]}, {"engine": "redshift"}, "network of three zones"),
        ({"zones": ["a", "b"]}, {"engine": "aurora", "min_acu": 4, "max_acu": 2}, "min_acu is more than max_acu"),
        ({"zones": ["a", "b"]}, {"engine": "aurora", "min_acu": 0.3, "max_acu": 2}, "min_acu"),
        ({"zones": ["a", "b", "c"]}, {"engine": "redshift", "base_rpu": 12}, "base_rpu is 4 or a multiple of 8"),
        ({"zones": ["a", "b", "c"]}, {"engine": "redshift", "base_rpu": 64, "max_rpu": 8}, "more than max_rpu"),
        ({"zones": ["a", "b", "c"]}, {"engine": "oracle"}, "oracle"),
        ({"zones": ["a"]}, {"engine": "aurora", "min_acu": 0, "max_acu": 2}, "zones"),
        ({"zones": ["us-east-1a", "b"]}, {"engine": "aurora", "min_acu": 0, "max_acu": 2}, "zones"),
        ({"zones": ["a", "b"], "cidr": "10.0.0.0/30"}, {"engine": "aurora", "min_acu": 0, "max_acu": 2}, "cidr"),
    ],
)
def test_a_network_and_a_warehouse_that_do_not_fit_are_refused(
    tmp_path: Path, network: object, warehouse: object, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_settings("dev", {}, changed(tmp_path, "dev", network=network, warehouse=warehouse))


def test_an_unknown_environment_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"'live'.*local\|dev\|staging\|prod"):
        load_settings("live", LAPTOP)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"log_retention": 7}, "unknown field `log_retention`"),
        ({"account": "123"}, r"account"),
        ({"log_retention_days": 8}, r"log_retention_days"),
        ({"poll_seconds": 0}, r"poll_seconds"),
        ({"transitions": {"GLACER": 3}}, r"GLACER"),
        ({"warehouse": {"engine": "postgres"}}, r"warehouse"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_settings("local", LAPTOP, changed(tmp_path, "local", **values))


def test_only_staging_and_prod_protect_their_data() -> None:
    protected = {
        environment: load_settings(environment, LAPTOP).protect_data
        for environment in ("local", "dev", "staging", "prod")
    }

    assert protected == {"local": False, "dev": False, "staging": True, "prod": True}
