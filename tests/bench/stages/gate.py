"""The gate: nested orders checked on one core, all right, with 1 % of bad ones, and with broken JSON among them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import shop
from tests.bench.stage import Case, Contender, Goal, Stage

ONE_PERCENT = 100  # which one of so many is bad; the middle one of each
FAULTS = (  # what is done to a cart, and the path at which it must be found
    (lambda cart: cart.update(id=str(cart["id"])), "$.id"),
    (lambda cart: cart.pop("userId"), "$.userId"),
    (lambda cart: cart.update(userId=None), "$.userId"),
    (lambda cart: cart["products"][0].update(quantity=0), "$.products[0].quantity"),
    (lambda cart: cart["products"][0].update(quantity=4.7), "$.products[0].quantity"),
    (lambda cart: cart["products"][0].update(productId=True), "$.products[0].productId"),
    (lambda cart: cart["products"][0].pop("productId"), "$.products[0].productId"),
    (lambda cart: cart.update(products=[]), "$.products"),
    (lambda cart: cart.update(date=f"{cart['date'][:10]} noon"), "$.date"),
    (lambda cart: cart.update(products={"0": cart["products"][0]}), "$.products"),
)
CUT = '"date":'  # without its value, a record is no JSON


def cases(size: int) -> list[Case]:
    return [
        Case("clean", "every record is right", size, _expected(size, 0)),
        Case("1 % bad", "one in a hundred is wrong, in ten ways", size, _expected(size, ONE_PERCENT)),
        Case("broken", "one in a thousand is no JSON, in the midst of its page", size, _expected(size, shop.PAGE)),
    ]


def _expected(size: int, every: int) -> dict[str, Any]:
    """How many are accepted and refused, and the fingerprint of the refused: each position with its path, in order."""
    found = hashlib.sha256()
    bad = range(every // 2, size, every) if every else range(0)
    for position in bad:
        path = "$" if every == shop.PAGE else FAULTS[position // every % len(FAULTS)][1]
        found.update(f"{position} {path}\n".encode())
    return {"accepted": size - len(bad), "refused": len(bad), "paths": found.hexdigest()}


@contextmanager
def opened(case: Case, inputs: Path) -> Iterator[Mapping[str, str]]:
    pages, schema = shop.made(inputs, "carts", case.records, "pages"), inputs / "carts.schema.json"
    subprocess.run([sys.executable, "-m", "tests.bench.json_schema", "fakestore", "carts", str(schema)], check=True)
    if case.name != "clean":
        every = ONE_PERCENT if case.name == "1 % bad" else shop.PAGE
        planted = pages.with_name(f"carts-{case.records}-1-in-{every}-bad.pages")
        if not planted.exists():
            subprocess.run([sys.executable, "-m", __name__, str(pages), str(planted), str(every)], check=True)
        pages = planted
    yield {"BENCH_PAGES": str(pages), "BENCH_SCHEMA": str(schema)}


def _plant(clean: str, planted: str, every: str) -> None:
    step = int(every)

    def pages() -> Iterator[str]:
        position = 0
        with Path(clean).open(encoding="utf-8") as file:
            for line in file:
                carts = json.loads(line)
                texts = []
                for cart in carts:
                    bad = position % step == step // 2
                    if bad and step != shop.PAGE:
                        FAULTS[position // step % len(FAULTS)][0](cart)
                    text = json.dumps(cart, separators=(",", ":"))
                    if bad and step == shop.PAGE:
                        text = text.replace(f'{CUT}"{cart["date"]}"', CUT)
                    texts.append(text)
                    position += 1
                yield f"[{','.join(texts)}]"

    shop.write(Path(planted), pages())


STAGE = Stage(
    name="gate",
    title="The gate",
    about=(
        "Pages of 1,000 orders, each a JSON array, are taken from a file and checked against the contract on one core: "
        "from a page's bytes to the accepted records and, for each refused one, the path. Ours also keeps each "
        "record's exact bytes, counts keys that stand twice and reports fields that the contract does not know; the "
        "others hold records to the JSON Schema that is made of the same contract. jsonschema-rs is given what orjson "
        "read, as it is the quickest way to it. Work is in seconds of CPU, without start-up. Every refused record and "
        "its path is compared with what was planted. Only ours takes a page apart that holds a record that is no JSON."
    ),
    cases=cases,
    opened=opened,
    contenders=(
        Contender("ingot", "Ingot's gate (split and check, as extract does)", "gate_ingot.py"),
        Contender("pydantic", "pydantic, strict, from JSON", "gate_pydantic.py", cases=("clean", "1 % bad")),
        Contender(
            "jsonschema-rs",
            "orjson + jsonschema-rs",
            "gate_jsonschema_rs.py",
            environment=".venv-bench-gate",
            cases=("clean", "1 % bad"),
        ),
        Contender("naive", "json + a naive recursion over the schema", "gate_naive.py", cases=("clean", "1 % bad")),
    ),
    goals=(
        *(Goal("900,000 records/s on one core", case, at_least=900_000) for case in ("clean", "1 % bad")),
        *(
            Goal("2.4 times jsonschema-rs", case, at_least=2.4, against="jsonschema-rs")
            for case in ("clean", "1 % bad")
        ),
        *(Goal("12 times a naive recursion", case, at_least=12, against="naive") for case in ("clean", "1 % bad")),
    ),
    cores=1,
)

if __name__ == "__main__":
    _plant(*sys.argv[1:])
