"""Everything that the stacks make has a price, or is known to cost by use or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ingot.cost import fixed_lines, load_prices
from tests.unit.infra.conftest import ENVIRONMENTS


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_every_part_costs_is_known(every: Mapping[str, Any], environment: str) -> None:
    lines = fixed_lines(every[environment].templates, load_prices())

    assert [(line.stack, line.what, line.note) for line in lines if line.unknown] == []
    assert {line.what for line in lines if line.price} >= {"KMS::Key", "SecretsManager::Secret"}
