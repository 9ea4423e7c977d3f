"""What dbt would send to Redshift, without one: a guard against what Redshift refuses."""

import re
from pathlib import Path

from tests.integration.dbt.warehouse import dbt_process

REFUSED = {
    "DISTINCT ON": r"\bdistinct\s+on\b",
    "FILTER": r"\bfilter\s*\(",
    "ON CONFLICT": r"\bon\s+conflict\b",
    "RETURNING": r"\breturning\b",
    "LATERAL": r"\blateral\b",
    "array_agg, string_agg": r"\b(array|string)_agg\b",
    "generate_series, make_date": r"\b(generate_series|make_date)\b",
    "now()": r"\bnow\s*\(",
    "JSON, UUID, serial, bytea": r"\b(jsonb?\w*|uuid|(big)?serial|bytea)\b",
    "text without a length": r"(::|\bas\s+)text\b",
    "MATERIALIZED": r"\bas\s+(not\s+)?materialized\b",
    "WITH ORDINALITY": r"\bwith\s+ordinality\b",
    "sha256(), encode()": r"\b(sha256|encode|convert_to)\s*\(",
}


def test_what_is_compiled_for_redshift_holds_nothing_that_redshift_refuses(dbt_python: Path, tmp_path: Path) -> None:
    with dbt_process(dbt_python, "redshift", tmp_path, {}) as dbt:
        for as_increment in ("false", "true"):
            offline = ["--no-populate-cache", "--no-introspect", "--vars", f"as_increment: {as_increment}"]
            assert dbt("compile", "--exclude", "resource_type:unit_test", *offline) == []

            compiled = (tmp_path / "target" / "compiled").rglob("*.sql")
            models = {path.stem: re.sub(r"--.*", "", path.read_text()).lower() for path in compiled}
            assert {"products", "order_lines", "daily_sales"} <= models.keys()
            assert ("changed left join" in models["products"]) is (as_increment == "true")
            for name, sql in models.items():
                found = [feature for feature, pattern in REFUSED.items() if re.search(pattern, sql)]
                assert not found, f"{name} in the branch as_increment={as_increment}: {found}"
