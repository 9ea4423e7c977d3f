"""The table of prices: ``prices.yaml``, read and checked once."""

from __future__ import annotations

import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml

from ingot.errors import ConfigurationError

PRICES_FILE = Path(__file__).with_name("prices.yaml")


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One price.

    Attributes:
        usd: of one unit, without tax, discounts and free tiers.
        unit: what is counted.
        source: AWS's own page, where it can be looked up.
        read: where it was really read: ``aws``: on that page; ``other``: on a page of others that cites it;
            ``memory``: nowhere, it is what was known and waits to be checked.
        date: when that page was written; of ``memory``, when it was put down.
        seen: the page of others.
    """

    usd: Decimal
    unit: str
    source: Annotated[str, msgspec.Meta(pattern="^https://aws\\.amazon\\.com/")]
    read: Literal["aws", "other", "memory"]
    date: datetime.date
    seen: str | None = None

    def __post_init__(self) -> None:
        if (self.read == "other") != (self.seen is not None):
            raise ValueError("a price that was read on a page of others names the page in seen, and no other does")


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them.

    Attributes:
        region: whose prices they are.
        date: when the table was last gone through.
        hours_per_month: what AWS's own calculator takes a month for.
        dpu: worker type of Glue → its DPUs.
        prices: name → price.
    """

    region: str
    date: datetime.date
    hours_per_month: int
    dpu: dict[str, Decimal]
    prices: dict[str, Price]

    def __getitem__(self, name: str) -> Price:
        try:
            return self.prices[name]
        except KeyError:
            raise ConfigurationError(
                f"The table of prices has no {name}.", hint=f"add it to {PRICES_FILE.name}, with its source"
            ) from None


@cache
def load_prices(file: Path = PRICES_FILE) -> Prices:
    """The table.

    Raises:
        ConfigurationError: it is not as it should be.
    """
    try:
        return msgspec.convert(yaml.safe_load(file.read_text(encoding="utf-8")), Prices, strict=False)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}.", hint="correct the table of prices") from error
