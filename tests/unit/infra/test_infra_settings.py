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
    with pytest.raises(ConfigurationError, match=r"dev\.warehouse\.host.*INGOT_DEV_WAREHOUSE_HOST.*export"):
        load_settings("dev", {})


def test_the_laptops_warehouse_is_never_taken_for_an_accounts() -> None:
    for environment in ("dev", "staging", "prod"):
        with pytest.raises(ConfigurationError, match="not set"):
            load_settings(environment, LAPTOP)


def test_an_environment_needs_no_variables_of_another() -> None:
    assert load_settings("dev", {"INGOT_DEV_WAREHOUSE_HOST": "db.example.com"}).warehouse.port == 5432


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
    hosts = {f"INGOT_{name}_WAREHOUSE_HOST": "db.example.com" for name in ("DEV", "STAGING", "PROD")}
    protected = {
        environment: load_settings(environment, LAPTOP | hosts).protect_data
        for environment in ("local", "dev", "staging", "prod")
    }

    assert protected == {"local": False, "dev": False, "staging": True, "prod": True}
