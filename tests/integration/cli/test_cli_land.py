"""`ingot land`: files of a supplier to where the next batch takes them, and what is said of them before."""

from __future__ import annotations

import io
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.bronze import read_lines
from ingot.manifest import Manifest
from ingot.naming import Names
from ingot.quarantine import Reject, read_rejects
from ingot.sources import load_source
from ingot.steps.extract import extract
from ingot.storage import ObjectStore

ROOT = Path(__file__).resolve().parents[3]
RECORDED = ROOT / "sources/suppliers/recorded/landing/costs"
RHEINWERK = RECORDED / "rheinwerk-preisliste-2020-q1.csv"
LEMAN = RECORDED / "tissus-leman-tarifs-2020.tsv"
HEADER = "Artikel-Nr.;Lieferant;EK-Preis;Währung;Gültig ab"


@dataclass(frozen=True)
class Answer:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(each["file"], each["state"]) for each in msgspec.json.decode(self.out)]


@dataclass
class Shore:
    """An environment with what lands for `suppliers`, the CLI, and the extract step."""

    bronze: ObjectStore

    def land(self, *arguments: str | Path, stdin: bytes | None = None) -> Answer:
        from typer.testing import CliRunner

        from ingot.cli.app import app
        from ingot.errors import IngotError

        command = ["land", *map(str, arguments)]
        result = CliRunner().invoke(
            app, command if "--source" in command else [*command, "--source", "suppliers"], stdin
        )
        if isinstance(result.exception, IngotError):
            return Answer(1, result.stdout, f"{result.stderr}{result.exception}")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def there(self) -> list[str]:
        return [key.removeprefix("landing/suppliers/costs/") for key in self.bronze.keys("landing/")]

    def take(self, day: int = 1) -> Manifest:
        start = datetime(2020, 1, day, tzinfo=UTC)
        end = start + timedelta(days=1)
        batch = Batch(source="suppliers", stream="costs", interval_start=start, interval_end=end)
        source = load_source(ROOT / "sources/suppliers")
        with attempt(self.bronze, batch, "extract") as record:
            return extract(batch, source=source, bronze=self.bronze, as_of=end, record=record)

    def records(self, manifest: Manifest) -> list[dict[str, Any]]:
        return [json.loads(line) for part in manifest.parts for line in read_lines(self.bronze, part)]

    def refused(self, manifest: Manifest) -> list[Reject]:
        return list(read_rejects(self.bronze, manifest))


@pytest.fixture
def shore(cloud: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shore:
    account = boto3.client("sts").get_caller_identity()["Account"]
    names = Names(environment=f"l{uuid.uuid4().hex[:8]}", account=account, region="us-east-1")
    monkeypatch.setenv("INGOT_ENVIRONMENT", names.environment)
    monkeypatch.setenv("INGOT_HOME", str(tmp_path / "home"))
    s3 = boto3.client("s3")
    for bucket in (names.bronze_bucket, names.artifacts_bucket):
        s3.create_bucket(Bucket=bucket)
    for source in ("suppliers", "fakestore"):
        for file in (ROOT / "sources" / source).glob("*.yaml"):
            key = f"sources/{source}/{file.name}"
            s3.put_object(Bucket=names.artifacts_bucket, Key=key, Body=file.read_bytes())
    return Shore(ObjectStore(names.bronze_bucket))


def price_list(path: Path, *lines: str) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes("\r\n".join([HEADER, *lines, ""]).encode("cp1252"))
    return path


def line(product: int, cost: str = "12,50", currency: str = "USD", day: str = "01.01.2020") -> str:
    return f"{product};Müller & Söhne;{cost};{currency};{day}"


def test_the_demos_price_lists_land_as_they_are_and_the_next_batch_takes_them(shore: Shore) -> None:
    answer = shore.land(RECORDED, "--json")

    assert answer.code == 0, answer.err
    assert answer.states == [(RHEINWERK.name, "LANDED"), (LEMAN.name, "LANDED")]
    assert shore.there() == [RHEINWERK.name, LEMAN.name]
    assert shore.bronze.get(f"landing/suppliers/costs/{LEMAN.name}") == LEMAN.read_bytes()
    assert "UTC takes it; now: ingot backfill --source suppliers --stream costs --from " in answer.err
    manifest = shore.take()
    assert (manifest.accepted, manifest.rejected, manifest.drift) == (27, 0, ())
    records = shore.records(manifest)
    assert {record["product_id"] for record in records} == set(range(1, 21))
    assert {record["supplier"] for record in records} == {"Rheinwerk Großhandel GmbH", "Tissus Léman SA"}
    assert {"product_id": 1, "valid_from": "2020-03-02", "supplier": "Tissus Léman SA", "unit_cost": 64.25,
            "currency": "USD"} in records  # fmt: skip


def test_what_was_put_or_taken_before_under_whatever_name_counts_once(shore: Shore, tmp_path: Path) -> None:
    same = tmp_path / "again.csv"
    same.write_bytes(RHEINWERK.read_bytes())
    assert shore.land(RHEINWERK, "--json").states == [(RHEINWERK.name, "LANDED")]

    before = shore.land(RHEINWERK, "--json")
    assert (before.code, before.states) == (0, [(RHEINWERK.name, "KNOWN")])
    assert "it lies there, and is not taken yet" in before.out

    first = shore.take(1)
    after, renamed = shore.land(RHEINWERK), shore.land(same)
    assert (after.code, renamed.code) == (0, 0)
    assert f"taken before, as {RHEINWERK.name}" in after.out
    assert f"taken before, as {RHEINWERK.name}" in renamed.out
    assert shore.there() == [RHEINWERK.name]

    # Who puts it there by another way does not make it count twice.
    shore.bronze.put("landing/suppliers/costs/again.csv", RHEINWERK.read_bytes())
    assert (first.accepted, shore.take(2).accepted) == (14, 0)


def test_another_content_is_not_overwritten_unless_that_is_asked_for(shore: Shore, tmp_path: Path) -> None:
    old = price_list(tmp_path / "a" / "prices.csv", line(1))
    new = price_list(tmp_path / "b" / "prices.csv", line(1, "13,00"))
    assert shore.land(old).code == 0

    refused = shore.land(new)
    assert refused.code == 1
    assert "another content lies there: give another --name, or --replace it" in refused.out
    assert shore.bronze.get("landing/suppliers/costs/prices.csv") == old.read_bytes()

    named = shore.land(new, "--name", "2020/prices.csv", "--json")
    assert (named.code, named.states) == (0, [("2020/prices.csv", "LANDED")])
    replaced = shore.land(new, "--replace")
    assert (replaced.code, "in place of another content" in replaced.out) == (0, True)
    assert shore.bronze.get("landing/suppliers/costs/prices.csv") == new.read_bytes()


def test_what_would_be_refused_is_said_with_its_line_and_column_and_then_is_in_the_quarantine(
    shore: Shore, tmp_path: Path
) -> None:
    good, dear = [line(number) for number in range(3, 21)], line(2, currency="EUR")
    file = price_list(tmp_path / "prices.csv", line(1), line(2, "EUR 9,40"), *good[:9], dear, *good[9:])

    checked = shore.land(file, "--check", "--json")
    assert (checked.code, shore.there()) == (1, [])
    (result,) = msgspec.json.decode(checked.out)
    found = [(v["line"], v["column"], v["path"], v["rule"]) for v in result["violations"]]
    assert found == [(3, "3 (EK-Preis)", "$.unit_cost", "type"), (13, "4 (Währung)", "$.currency", "pattern")]
    assert (result["records"], result["refused"], result["state"]) == (21, 2, "FAILED")

    landed = shore.land(file)
    assert (landed.code, shore.there()) == (0, ["prices.csv"])
    assert f"{file}: line 3, column 3 (EK-Preis): $.unit_cost type: " in landed.err
    assert "2 of 21 records that were looked at will be refused." in landed.err

    manifest = shore.take()
    assert (manifest.accepted, manifest.rejected) == (19, 2)
    assert [(r.file.line, dict(r.file.columns)) for r in shore.refused(manifest) if r.file] == [
        (3, {"$.unit_cost": "3 (EK-Preis)"}),
        (13, {"$.currency": "4 (Währung)"}),
    ]


def test_of_a_long_file_the_first_records_are_looked_at_and_all_with_check(
    shore: Shore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingot.cli.land._FIRST", 1_000)
    lines = [line(number) for number in range(1, 2_500)]
    file = price_list(tmp_path / "prices.csv", *lines, line(1, "none"))

    (checked,) = msgspec.json.decode(shore.land(file, "--check", "--json").out)
    (landed,) = msgspec.json.decode(shore.land(file, "--json").out)

    assert (checked["records"], checked["whole"], checked["refused"], checked["state"]) == (2_500, True, 1, "FAILED")
    assert (landed["whole"], landed["refused"], landed["state"]) == (False, 0, "LANDED")
    assert 1_000 <= landed["records"] < 2_500


def test_a_file_that_nobody_can_read_is_not_put(shore: Shore, tmp_path: Path) -> None:
    nothing = {"empty.csv": b"", "header.csv": HEADER.encode() + b"\n"}
    unknown = {"strange.csv": b"From,To\n1,2\n", "bytes.csv": b"\x00\x01\x02\x03"}
    for name, content in (nothing | unknown).items():
        (tmp_path / name).write_bytes(content)

    answer = shore.land(tmp_path, "--json")

    assert (answer.code, shore.there()) == (1, [])
    assert {each["file"]: (each["state"], each["reason"]) for each in msgspec.json.decode(answer.out)} == {
        **dict.fromkeys(nothing, ("FAILED", "there is no record in it")),
        **dict.fromkeys(unknown, ("FAILED", "no record of it would be accepted")),
    }
    assert "ingot backfill" not in answer.err


def test_of_a_folder_the_good_files_land_and_the_others_are_told(shore: Shore, tmp_path: Path) -> None:
    price_list(tmp_path / "in" / "march" / "a.csv", line(1))
    price_list(tmp_path / "in" / "b.csv", line(2))
    (tmp_path / "in" / "c.csv").write_text("no price list")
    (tmp_path / "in" / "d.csv.part").write_text("half a")

    answer = shore.land(tmp_path / "in", "--json")

    assert answer.code == 1
    assert answer.states == [("b.csv", "LANDED"), ("c.csv", "FAILED"), ("march/a.csv", "LANDED")]
    assert shore.there() == ["b.csv", "march/a.csv"]


def test_what_comes_from_stdin_has_the_name_that_is_given(shore: Shore) -> None:
    unnamed = shore.land("-", stdin=RHEINWERK.read_bytes())
    assert (unnamed.code, shore.there()) == (2, [])

    answer = shore.land("-", "--name", "prices.csv", stdin=RHEINWERK.read_bytes())

    assert (answer.code, shore.there()) == (0, ["prices.csv"])


def test_a_name_under_which_no_batch_would_take_it_is_refused(shore: Shore) -> None:
    answer = shore.land(RHEINWERK, "--name", "prices.csv.part")

    assert (answer.code, shore.there()) == (1, [])
    assert "'prices.csv.part' would be left alone" in answer.out


def test_a_call_that_is_wrong_puts_nothing(shore: Shore) -> None:
    wrong = {
        ("--source", "fakestore"): "fakestore takes nothing that lands",
        ("--source", "fakestore", "--stream", "carts"): "carts takes nothing that lands: its mode is interval",
        ("--source", "nowhere"): "there is no source 'nowhere'; deployed are: fakestore, suppliers",
        ("--source", "suppliers", "--stream", "prices"): "there is no stream 'prices'",
        (str(LEMAN), "--name", "one.csv"): "one name cannot be that of 2 files",
        ("nowhere.csv",): "there is no file nowhere.csv",
    }
    for arguments, complaint in wrong.items():
        answer = shore.land(RHEINWERK, *arguments)

        assert (answer.code, shore.there()) == (2, [])
        assert complaint in " ".join(answer.err.replace("│", " ").split())


def test_after_the_newest_interval_was_taken_only_the_next_run_is_named(shore: Shore) -> None:
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    batch = Batch(source="suppliers", stream="costs", interval_start=end - timedelta(days=1), interval_end=end)
    with attempt(shore.bronze, batch, "extract") as record:
        source = load_source(ROOT / "sources/suppliers")
        extract(batch, source=source, bronze=shore.bronze, as_of=end, record=record)

    answer = shore.land(RHEINWERK)

    assert f"The run of {end + timedelta(days=1):%Y-%m-%d} 00:00 UTC takes it." in answer.err
    assert "ingot backfill" not in answer.err


def test_a_large_file_goes_in_parts_and_does_not_overwrite_either(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingot.storage._PART", 5 * 2**20)  # the least that S3 takes for all but the last
    big, other = io.BytesIO(b"1" * (12 * 2**20)), io.BytesIO(b"2" * (12 * 2**20))

    assert shore.bronze.put_file("landing/big", big)
    assert not shore.bronze.put_file("landing/big", other)

    (stored,) = shore.bronze.stored("landing/big")
    assert stored.etag.endswith("-3")  # S3's form of an object of three parts
    assert shore.bronze.get("landing/big") == big.getvalue()
    uploads = boto3.client("s3").list_multipart_uploads(Bucket=shore.bronze.bucket)
    assert uploads.get("Uploads", []) == []
    assert shore.bronze.put_file("landing/big", other, new=False)
    assert shore.bronze.get("landing/big") == other.getvalue()


def test_it_asks_for_no_more_rights_than_the_documentation_gives(shore: Shore, tmp_path: Path) -> None:
    """docs/deploy.md: to put below the source's landing prefix; all else is what every command reads."""
    asked: set[tuple[str, str]] = set()

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        asked.add((model.name, params.get("Key") or params["Prefix"]))

    shore.bronze.put("landing/suppliers/costs/taken.csv", RHEINWERK.read_bytes())
    shore.take()
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    boto3.DEFAULT_SESSION.events.register("provide-client-params.s3", note)
    try:
        shore.land(RHEINWERK, LEMAN, price_list(tmp_path / "taken.csv", line(1)))
    finally:
        boto3.setup_default_session()

    written = {key for name, key in asked if name not in ("GetObject", "ListObjectsV2")}
    assert written == {f"landing/suppliers/costs/{name}" for name in (LEMAN.name, "taken.csv")}
    assert any(key.startswith("known/suppliers/") for _, key in asked), "it did not look at what was taken"
