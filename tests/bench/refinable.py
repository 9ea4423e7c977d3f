"""What the contenders of the refine stage read, and whether what one of them wrote is what was to be.

``python -m tests.bench.refinable made BATCH gzip``: the parts of a batch in that form, made once and kept; prints them.
``python -m tests.bench.refinable check BATCH < ANSWER``: fails if the Parquet of an answer is not of the batch's lines;
then removes it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import duckdb
import zstandard

from tests.bench.stage import OURS, ROOT

if TYPE_CHECKING:
    from ingot.contract import Contract

ENDS = {"plain": ".jsonl", "gzip": ".jsonl.gz"}


def parts(place: Path) -> list[Path]:
    """The files of a batch in Bronze, in order."""
    from ingot.manifest import decode

    (manifest,) = (decode(path.read_bytes(), path.name) for path in (place / "bronze" / "manifests").rglob("*.json"))
    return [place / "bronze" / part.key for part in manifest.parts]


def made(place: Path, form: str) -> list[Path]:
    """The same parts in another form."""
    if form == "zstd":
        return parts(place)
    folder = place / form
    found = [folder / f"{number:05d}{ENDS[form]}" for number, _ in enumerate(parts(place))]
    if not folder.exists():
        partial = Path(tempfile.mkdtemp(dir=place))
        for part, file in zip(parts(place), found, strict=True):
            with part.open("rb") as stored, _opened(partial / file.name) as written:
                zstandard.ZstdDecompressor().copy_stream(stored, written)
        partial.rename(folder)
    return found


def _opened(file: Path) -> gzip.GzipFile | BinaryIO:
    return gzip.open(file, "wb", compresslevel=6) if file.suffix == ".gz" else file.open("wb")


def due(place: Path) -> dict[str, Any]:
    """What is to be in the Parquet: sums over the lines, by the standard library alone, and the contract's types.

    Reckoned once and kept.
    """
    kept = place / "due.json"
    if not kept.exists():
        partial = kept.with_name(f"{kept.name}.{os.getpid()}")
        partial.write_text(json.dumps({"sums": _totals(place), "types": _types()}), "utf-8")
        partial.replace(kept)
    return dict(json.loads(kept.read_text("utf-8")))


def _totals(place: Path) -> Counter[str]:
    sums: Counter[str] = Counter()
    for part in parts(place):
        with part.open("rb") as stored, zstandard.ZstdDecompressor().stream_reader(stored) as content:
            text = content.read()
        for line in text.splitlines():
            cart = json.loads(line)
            sums["records"] += 1
            sums["ids"] += cart["id"]
            sums["users"] += cart["userId"]
            sums["seconds"] += int(datetime.fromisoformat(cart["date"]).timestamp())
            sums["lines"] += len(cart["products"])
            sums["products"] += sum(each["productId"] for each in cart["products"])
            sums["quantities"] += sum(each["quantity"] for each in cart["products"])
            sums["hashes"] += int(hashlib.sha256(line).hexdigest()[:8], 16) * sums["records"]  # bound to its place
    return sums


def _contract() -> Contract:
    from ingot.sources import load_source

    return load_source(ROOT / "sources" / "fakestore").stream("carts").contract


def _types() -> dict[str, list[list[str]]]:
    """Names and types of the contract's columns, and of all with lineage."""
    from ingot.contract.arrow import arrow_schema

    contract = _contract()
    empty = arrow_schema(contract).empty_table()
    found = _described(duckdb.from_arrow(empty))
    return {"contract": found[: len(contract.columns)], "lineage": found}


def check(place: Path, answer: dict[str, Any]) -> None:
    """Hold what a contender wrote to the batch: its sums, and its types where it says ``contract`` or ``lineage``."""
    target = Path(os.environ["BENCH_TARGET"])
    wanted, columns = due(place), answer["columns"]
    if "bucket" in answer:
        _fetched(answer["bucket"], target)
    files = sorted(map(str, target.rglob("*.parquet")))
    rows = duckdb.read_parquet(files, hive_partitioning=False)
    found = _sums(rows, hashed=columns == "lineage")
    sums = {name: value for name, value in wanted["sums"].items() if name in found}
    assert found == sums, f"{found} is not {sums}"
    if columns in wanted["types"]:
        types = _described(rows)
        assert types == wanted["types"][columns], f"{types} is not {wanted['types'][columns]}"
    if answer.get("by") == OURS:
        from ingot.steps.refine import refined_by

        contract = _contract()
        assert all(refined_by(Path(file), contract) for file in files), "the file is not of the contract"
    for each in target.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def _described(rows: duckdb.DuckDBPyRelation) -> list[list[str]]:
    return [[name, str(kind)] for name, kind in zip(rows.columns, rows.types, strict=True)]


def _sums(rows: duckdb.DuckDBPyRelation, *, hashed: bool) -> dict[str, int]:
    # By place, as some keep the source's names.
    identity, user, moment, products, *_ = (f'"{name}"' for name in rows.columns)
    sums = {
        "records": "count(*)",
        "ids": f"sum({identity})",
        "users": f"sum({user})",
        "seconds": f"sum(epoch({moment})::bigint)",
        "lines": f"sum(len({products}))",
        "products": f"sum(list_sum(list_transform({products}, lambda x: struct_extract_at(x, 1))))",
        "quantities": f"sum(list_sum(list_transform({products}, lambda x: struct_extract_at(x, 2))))",
    }
    if hashed:
        sums["hashes"] = "sum(('0x' || _record_hash[:8])::bigint::hugeint * (_line + 1))"
    (row,) = rows.aggregate(", ".join(sums.values())).fetchall()
    return {name: int(value or 0) for name, value in zip(sums, row, strict=True)}


def _fetched(bucket: str, folder: Path) -> None:
    import boto3

    stored = boto3.resource("s3").Bucket(bucket)
    for item in stored.objects.all():
        stored.download_file(item.key, str(folder / Path(item.key).name))
        item.delete()
    stored.delete()


if __name__ == "__main__":
    if sys.argv[1] == "made":
        due(Path(sys.argv[2]))
        print(os.pathsep.join(map(str, made(Path(sys.argv[2]), sys.argv[3]))))
    else:
        check(Path(sys.argv[2]), json.load(sys.stdin))
