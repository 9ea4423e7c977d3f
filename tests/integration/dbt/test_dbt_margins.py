"""Margins: a cost that is missing fails by name, and one that comes late or is corrected reaches what it touches."""

from decimal import Decimal
from typing import Any

from tests.integration.dbt.bronze import Bronze
from tests.integration.dbt.warehouse import Warehouse

Record = dict[str, Any]
JANUARY, FEBRUARY, MARCH = (f"2026-0{month}-01T00:00:00Z" for month in range(1, 4))
MARGINS = ("--select", "+product_margin", "+category_margin", "+daily_products")


def product(number: int, price: str, category: str) -> Record:
    rating = {"rate": 4.5, "count": 10}
    text = {"title": f"Product {number}", "description": "", "image": f"{number}.png"}
    return {"id": number, **text, "price": price, "category": category, "rating": rating}


def cart(number: int, day: str, **quantities: int) -> Record:
    """`p3=2` orders product 3 twice."""
    lines = [{"productId": int(name[1:]), "quantity": quantity} for name, quantity in quantities.items()]
    return {"id": number, "userId": 1, "date": f"{day}T12:00:00Z", "products": lines, "__v": 0}


def cost(number: int, day: str, unit_cost: str, supplier: str = "A") -> Record:
    return {"product_id": number, "valid_from": day, "supplier": supplier, "unit_cost": unit_cost, "currency": "USD"}


def test_a_missing_cost_fails_by_name_and_a_late_or_corrected_one_reaches_gold(
    warehouse: Warehouse, bronze: Bronze
) -> None:
    def build() -> list[str]:
        assert warehouse.dbt("run", *MARGINS) == []
        return [problem.split(":")[0] for problem in warehouse.dbt("test", "--select", "no_sale_lacks_a_cost")]

    def margins(table: str, key: str) -> dict[Any, tuple[Decimal | None, Decimal | None]]:
        return {found: rest for found, *rest in warehouse.rows(f"select {key}, cost, margin from gold.{table}_margin")}

    def written() -> dict[str, str]:
        return dict(warehouse.rows("select category, xmin::text from gold.category_margin"))

    bronze.deliver("products", [product(1, "10.00", "games"), product(2, "5.00", "toys")], batch="p.1", at=JANUARY)
    carts = [cart(1, "2026-01-10", p1=2), cart(2, "2026-01-20", p1=1, p2=4)]
    bronze.deliver("carts", carts, batch="c.1", at=JANUARY)

    # Nobody has asked for margins yet: that is said, and is no failure.
    assert build() == []
    assert "No cost of a product was ever loaded: margins are unknown." in warehouse.dbt.log
    assert margins("category", "category") == {"games": [None, None], "toys": [None, None]}

    # One cost begins after an order, one is not there at all.
    bronze.deliver("costs", [cost(1, "2026-01-11", "4.00")], batch="s.1", at=JANUARY)
    assert build() == ["fail no_sale_lacks_a_cost"]
    assert "No cost of product 1 for 2026-01-10, when 2 were sold." in warehouse.dbt.log
    assert "No cost of product 2 for 2026-01-20, when 4 were sold." in warehouse.dbt.log
    assert "No cost of product 1 for 2026-01-20" not in warehouse.dbt.log
    assert margins("product", "product_id") == {1: [None, None], 2: [None, None]}

    # What lacked comes; of the same product and day the later delivery counts, whoever sent it.
    bronze.deliver("costs", [cost(1, "2026-01-10", "3.00"), cost(2, "2026-01-01", "9.99")], batch="s.2", at=FEBRUARY)
    bronze.deliver("costs", [cost(2, "2026-01-01", "2.00", "B")], batch="s.3", at=MARCH)
    assert build() == []
    expected = {1: [Decimal("10.00"), Decimal("20.00")], 2: [Decimal("8.00"), Decimal("12.00")]}  # 2 * 3 + 4; 4 * 2
    assert margins("product", "product_id") == expected

    # A cost that is corrected touches its product's category and no other. One of old times or of times to come is no
    # order's, and a replay stands behind what came after the batch that it is of.
    before = written()
    bronze.deliver("costs", [cost(2, "2026-01-15", "2.50")], batch="s.4", at=MARCH)
    bronze.deliver("costs", [cost(1, "2025-01-01", "1.00"), cost(2, "2027-01-01", "1.00")], batch="s.5", at=MARCH)
    bronze.deliver("costs", [cost(2, "2026-01-15", "7.77")], batch="s.1.resolve-0123456789abcdef", at=JANUARY)
    assert build() == []
    assert margins("category", "category") == {
        "games": [Decimal("10.00"), Decimal("20.00")],
        "toys": [Decimal("10.00"), Decimal("10.00")],
    }
    days = "select order_date::text, product_id, unit_cost, cost from gold.daily_products order by 1, 2"
    assert warehouse.rows(days) == [
        ("2026-01-10", 1, Decimal("3.00"), Decimal("6.00")),
        ("2026-01-20", 1, Decimal("4.00"), Decimal("4.00")),
        ("2026-01-20", 2, Decimal("2.50"), Decimal("10.00")),
    ]
    after = written()
    assert (after["games"], after["toys"] != before["toys"]) == (before["games"], True)

    # An order changes: it loses a line and moves to a day with another cost; another one comes.
    moved = [cart(2, "2026-01-10", p1=1), cart(3, "2026-01-14", p2=1)]
    bronze.deliver("carts", moved, batch="c.2", at=FEBRUARY)
    assert build() == []
    assert margins("product", "product_id") == {
        1: [Decimal("9.00"), Decimal("21.00")],  # 3 * 3.00
        2: [Decimal("2.00"), Decimal("3.00")],
    }
    incremental = warehouse.contents()
    assert warehouse.dbt("run", "--full-refresh", *MARGINS) == []
    assert warehouse.contents() == incremental
