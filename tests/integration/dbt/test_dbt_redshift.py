"""What dbt would send to Redshift, without one: a guard against what Redshift refuses."""

import re
import subprocess
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("as_increment", [False, True], ids=["full refresh", "increment"])
def test_what_is_compiled_for_redshift_holds_nothing_that_redshift_refuses(
    dbt_python: Path, tmp_path: Path, as_increment: bool
) -> None:
    project = Path(__file__).parents[3] / "dbt"
    command = [dbt_python.with_name("dbt"), "--quiet", "compile", "--target", "redshift"]
    command += ["--no-populate-cache", "--no-introspect", "--vars", f"as_increment: {str(as_increment).lower()}"]
    command += ["--exclude", "resource_type:unit_test", "--project-dir", project, "--profiles-dir", project]
    command += ["--target-path", tmp_path, "--log-path", tmp_path / "logs"]
    compiled = subprocess.run(command, capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr

    models = {path.stem: path.read_text() for path in (tmp_path / "compiled").rglob("*.sql")}
    assert {"products", "order_lines", "daily_sales"} <= models.keys()
    assert ("changed left join" in models["products"]) is as_increment
    for name, sql in models.items():
        code = re.sub(r"--.*", "", sql).lower()
        found = [feature for feature, pattern in REFUSED.items() if re.search(pattern, code)]
        assert not found, f"{name}: {found}"
