"""Under which names a file may land."""

from pathlib import Path

import pytest

from ingot.errors import ConfigurationError
from ingot.landing import landing_key
from ingot.sources import load_source

COSTS = load_source(Path(__file__).resolve().parents[3] / "sources" / "suppliers").stream("costs")


@pytest.mark.parametrize("name", ["prices.csv", "2026/03/Preisliste März.csv", "not-failed/prices.csv"])
def test_a_name_is_kept_below_the_landing_prefix(name: str) -> None:
    assert landing_key(COSTS, name) == f"landing/suppliers/costs/{name}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Nothing can land as"),
        ("../other/prices.csv", "Nothing can land as"),
        ("a/./prices.csv", "Nothing can land as"),
        ("/prices.csv", "Nothing can land as"),
        ("prices/", "Nothing can land as"),
        ("a//prices.csv", "Nothing can land as"),
        ("prices\n.csv", "Nothing can land as"),
        ("ü" * 512, "Nothing can land as"),
        ("prices.csv.part", "would be left alone"),
        ("_prices.csv", "would be left alone"),
        (".prices.csv", "would be left alone"),
        ("failed/prices.csv", "would lie among what Firehose could not deliver"),
    ],
)
def test_a_name_under_which_no_batch_would_take_it_is_refused(name: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        landing_key(COSTS, name)
