"""Orders that come as events, late, twice and in any order, beside the same orders from the API: each is there once, as
its newest version has it."""

from __future__ import annotations

import random
import uuid
from typing import Any

from tests.integration.dbt.bronze import Bronze
from tests.integration.dbt.test_dbt_increments import assert_same_as_computed_anew, cart, product, steady_rates
from tests.integration.dbt.warehouse import Warehouse

Record = dict[str, Any]

PRICES = [product(number, f"{number}.00", "toys" if number % 2 else "games") for number in range(1, 6)]
DAYS = [f"2026-03-{day:02}" for day in range(1, 8)]
# All of it that does not say through which door an order came.
BUSINESS = {
    "orders": "select order_id, user_id, line_count, units, ordered_at, order_date from silver.orders "
    "where deleted_at is null",
    "lines": "select order_id, line_number, product_id, user_id, quantity, line_total, order_date "
    "from silver.order_lines",
    "days": "select order_date, orders, units, revenue from gold.daily_sales",
    "customers": "select user_id, orders, units, revenue, first_order_date from gold.customer_activity",
    "products": "select product_id, orders, buyers, units, revenue, revenue_rank from gold.product_performance",
    "categories": "select category, orders, units, revenue, revenue_share from gold.category_revenue",
    "currencies": "select order_date, category, currency, units, revenue from gold.revenue_by_currency",
    "days of products": "select order_date, product_id, category, orders, units, revenue from gold.daily_products",
    "margins": "select product_id, units, revenue from gold.product_margin",
}


def event(order: int, at: str, kind: str = "changed", *, user: int = 1, placed: str = DAYS[0], **lines: int) -> Record:
    """An event of an order: `p3=2` orders product 3 twice."""
    return {
        "order_id": order,
        "event_id": str(uuid.UUID(int=random.Random(f"{order}{at}{kind}").getrandbits(128))),
        "type": kind,
        "occurred_at": at,
        "placed_at": f"{placed}T08:00:00Z",
        "user_id": user,
        "lines": [{"product_id": int(name[1:]), "quantity": quantity} for name, quantity in lines.items()],
    }


def as_cart(last: Record) -> Record:
    """The order as its API has it after its last event."""
    lines = {f"p{line['product_id']}": line["quantity"] for line in last["lines"]}
    return cart(last["order_id"], last["user_id"], last["placed_at"], **lines)


def history(chance: random.Random, orders: int) -> list[Record]:
    """Events of some orders, in the order in which they occurred; some are cancelled, one of those lives again."""
    events = []
    for order in range(1, orders + 1):
        kinds = ["placed", *(["changed"] * chance.randint(0, 3)), *(["cancelled"] if order % 4 == 0 else [])]
        if order == 4:
            kinds.append("changed")
        moments = sorted(chance.sample(range(60 * 24), len(kinds)))
        placed = chance.choice(DAYS)
        for kind, minute in zip(kinds, moments, strict=True):
            lines = {f"p{n}": chance.randint(1, 4) for n in chance.sample(range(1, 6), chance.randint(1, 3))}
            at = f"2026-03-08T{minute // 60:02}:{minute % 60:02}:00Z"
            events.append(event(order, at, kind, user=chance.randint(1, 3), placed=placed, **lines))
    return sorted(events, key=lambda each: each["occurred_at"])


def prepare(bronze: Bronze) -> None:
    bronze.deliver("products", PRICES, batch="p.1", at="2026-01-01T00:00:00Z")
    bronze.deliver("rates", steady_rates(*DAYS), batch="r.1", at="2026-03-08T00:00:00Z")


def look(warehouse: Warehouse) -> dict[str, Any]:
    return {name: sorted(warehouse.rows(query)) for name, query in BUSINESS.items()}


def test_events_in_any_order_and_twice_are_what_a_batch_load_of_the_same_orders_is(
    warehouse: Warehouse, bronze: Bronze
) -> None:
    chance = random.Random(7)
    events = history(chance, 12)
    last = {each["order_id"]: each for each in events}
    prepare(bronze)
    living = [as_cart(each) for each in last.values() if each["type"] != "cancelled"]
    bronze.deliver("carts", living, batch="c.1", at="2026-03-09T00:00:00Z")
    assert warehouse.dbt("run", "--full-refresh") == []
    loaded = look(warehouse)
    assert all(loaded.values())

    bronze = Bronze(warehouse.connection)
    prepare(bronze)
    # Carts of some orders, as the API had them when the first half had occurred.
    half = events[: len(events) // 2]
    seen = {each["order_id"]: each for each in half if each["order_id"] % 2}
    asked_at = half[-1]["occurred_at"]
    arrivals = [*events, *chance.sample(events, len(events) // 3)]
    chance.shuffle(arrivals)
    cuts = [arrivals[n::3] for n in range(3)]
    for number, cut in enumerate(cuts):
        bronze.deliver("orders", cut, batch=f"orders.{number}", at=f"2026-03-09T0{3 - number}:00:00Z")
        if number == 1:
            bronze.deliver("carts", [as_cart(each) for each in seen.values()], batch="c.1", at=asked_at)
        assert warehouse.dbt("run") == []

    assert look(warehouse) == loaded
    ((cancelled,),) = warehouse.rows("select count(*) from silver.orders where deleted_at is not null")
    assert cancelled == sum(each["type"] == "cancelled" for each in last.values()) > 0
    assert_same_as_computed_anew(warehouse)


def test_an_order_goes_from_one_source_to_the_other_and_gold_follows(warehouse: Warehouse, bronze: Bronze) -> None:
    def days() -> dict[str, tuple[int, str]]:
        rows = warehouse.rows("select order_date::text, orders, revenue::text from gold.daily_sales")
        return {day: (orders, revenue) for day, orders, revenue in rows}

    prepare(bronze)
    first, second, third = DAYS[:3]
    carts = [cart(1, 1, f"{first}T08:00:00Z", p1=1), cart(2, 1, f"{first}T08:00:00Z", p2=1)]
    bronze.deliver("carts", carts, batch="c.1", at=f"{second}T00:00:00Z")
    assert warehouse.dbt("run") == []
    assert days() == {first: (2, "3.00")}

    # An event from after that moves order 1 to another day, one from before it changes nothing; a third order comes.
    news = [
        event(1, f"{second}T10:00:00Z", placed=second, p1=5),
        event(2, f"{first}T23:00:00Z", p2=9),
        event(3, f"{second}T11:00:00Z", "placed", placed=third, p3=1),
    ]
    bronze.deliver("orders", news, batch="o.1", at=f"{second}T12:00:00Z")
    assert warehouse.dbt("run") == []
    assert days() == {first: (1, "2.00"), second: (1, "5.00"), third: (1, "3.00")}

    # The API is asked again; then order 2 is cancelled, which the API knew at the time that it was asked for the third.
    bronze.deliver("carts", [cart(1, 1, f"{first}T08:00:00Z", p1=7)], batch="c.2", at=f"{third}T00:00:00Z")
    assert warehouse.dbt("run") == []
    assert days() == {first: (2, "9.00"), third: (1, "3.00")}
    bronze.deliver("orders", [event(2, f"{third}T01:00:00Z", "cancelled", p2=1)], batch="o.2", at=f"{third}T02:00:00Z")
    assert warehouse.dbt("run") == []
    assert days() == {first: (1, "7.00"), third: (1, "3.00")}
    assert warehouse.rows("select order_id, units, deleted_at::date::text from silver.orders order by 1") == [
        (1, 7, None),
        (2, 1, third),
        (3, 1, None),
    ]

    # A change that comes late is older than the cancellation: it is the order's last version, and stays cancelled.
    bronze.deliver("orders", [event(2, f"{second}T05:00:00Z", p2=4)], batch="o.3", at=f"{third}T03:00:00Z")
    assert warehouse.dbt("run") == []
    assert days() == {first: (1, "7.00"), third: (1, "3.00")}
    assert warehouse.rows("select units from silver.orders where order_id = 2 and deleted_at is not null") == [(4,)]
    before = warehouse.contents()
    assert warehouse.dbt("run") == []
    assert warehouse.contents() == before
    assert_same_as_computed_anew(warehouse)
