"""`ingot source new` against the recorded source: real answers, real files, and the gate's own verdict."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from recorded_source.guards import API_KEY, BEARER_TOKEN, PASSWORD, USERNAME

from ingot.errors import ConfigurationError, IngotError
from ingot.request import LinkHeader, NextCursor, NextUrl, Offset, PageNumber
from ingot.sources import Stream, load_source
from tests.unit.ingot.files.workbook import workbook

if TYPE_CHECKING:
    from click.testing import Result
    from recorded_source.source import RecordedSource

ROOT = Path(__file__).resolve().parents[3]
Cli = Callable[..., "Result"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with Fakestore in it; the working directory."""
    for folder in ("sources/fakestore", "dbt/models/staging/fakestore", "dbt/models/silver"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(project: Path) -> Cli:
    from typer.testing import CliRunner

    from ingot.cli.app import app

    def call(*arguments: str, answers: str = "", fails: bool = False) -> Result:
        result = CliRunner().invoke(app, arguments, input=answers)
        if not fails and result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


def new(cli: Cli, url: str, *arguments: str, name: str = "shop", **how: Any) -> Result:
    return cli("source", "new", url, "--name", name, "--requests-per-second", "1000", *arguments, **how)


def stream_of(project: Path, stream: str, name: str = "shop") -> Stream:
    return load_source(project / "sources" / name).stream(stream)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def raised(result: Result, kind: type[IngotError] = ConfigurationError) -> str:
    assert isinstance(result.exception, kind), result.exception
    return str(result.exception)


def test_a_list_becomes_a_source_that_needs_no_hand(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    result = new(cli, f"{recorded.url}/carts", "--yes")
    assert result.exit_code == 0, result.output
    assert "7 accepted, 0 refused" in result.output
    stream = stream_of(project, "carts")
    contract = stream.contract
    assert (stream.mode, stream.pagination, stream.records) == ("snapshot", None, "")
    assert contract.primary_key == ("id",)
    assert {p.name: p.logical_type for p in contract.properties} == {
        "id": "integer",
        "userId": "integer",
        "date": "timestamp",
        "products": "array",
        "__v": "integer",
    }
    (lines,) = (p for p in contract.properties if p.name == "products")
    assert lines.items is not None
    assert [p.name for p in lines.items.properties] == ["productId", "quantity"]
    assert (project / "dbt/models/silver/shop/shop_carts.sql").is_file()
    assert cli("source", "check", "shop").output == "shop: all is well\n"


def test_every_rule_stands_beside_its_evidence(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    new(cli, f"{recorded.url}/paged/page/synthetic/7/300/carts", "--yes")
    source = (project / "sources/shop/source.yaml").read_text()
    contract = (project / "sources/shop/carts.odcs.yaml").read_text()
    assert 'limit: "100"  # 5 records with 5, 100 with 100, 10 without it' in source
    assert "records: data  # an array of objects, 10 in the first answer" in source
    assert "total_records: meta.total  # 300 in the first answer, and the same in the second" in source
    assert "candidate for a cursor: date: in 300 of 300 records" in source
    assert "primaryKey: true  # unique in 300 of 300 records" in contract
    assert "required: true  # present in 300 of 300 records" in contract
    rules = ("logicalType:", "required:", "classification:", "minimum:", "maxLength:", "primaryKey:")
    _, _, body = contract.partition("    properties:\n")
    for line in body.splitlines():
        rule = line.strip().startswith(rules) and line.strip() not in ("logicalType: string", "logicalType: object")
        assert not rule or "  # " in line, line


def test_personal_data_and_secrets_are_seen_and_no_value_of_them_is_written(
    cli: Cli, project: Path, recorded: RecordedSource
) -> None:
    new(cli, f"{recorded.url}/users", "--yes")
    contract = stream_of(project, "users").contract
    assert contract.secrets == {"password"}
    kept = {".".join(column.path): column.property.classification for column in contract.columns}
    assert {path for path, kind in kept.items() if kind == "personal"} == set(kept) - {"id", "__v"}
    written = b"".join(content for path, content in files_of(project).items() if "shop" in path).decode()
    for user in json.loads((ROOT / "localstack/recorded_source/recordings/fakestore/users.json").read_text()):
        for value in (user["email"], user["password"], user["phone"], user["address"]["street"], user["username"]):
            assert value not in written
    silver = (project / "dbt/models/silver/shop/shop_users.sql").read_text()
    assert '{{ mask_email("email") }} as email_masked' in silver
    assert "password" not in silver


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("paged/page", PageNumber(param="page", start=1, total_records="meta.total")),
        ("paged/offset", Offset(param="offset", total_records="total")),
        ("paged/cursor", NextCursor(param="cursor", next="meta.next_cursor", more="meta.has_more")),
        ("paged/next", NextUrl(next="links.next")),
        ("paged/link", LinkHeader()),
        ("synthetic/7/300", None),
    ],
)
def test_how_pages_follow_each_other_is_shown_by_asking_for_the_second(
    path: str, how: Any, cli: Cli, project: Path, recorded: RecordedSource
) -> None:
    url = f"{recorded.url}/{path}/{'' if 'synthetic' in path else 'synthetic/7/300/'}carts"
    found = json.loads(new(cli, url, "--yes", "--json").stdout)
    assert found["sample"] == {"accepted": 300, "refused": 0, "rules": [], "unknown": [], "stops": False}
    assert found["whole"] is True
    stream = stream_of(project, "carts")
    # The synthetic store itself answers all it has, and in pages if it is asked for one.
    assert stream.pagination == (how if how is not None else PageNumber(param="page", start=1))
    assert stream.params == {"limit": "300" if how is None else "100"}


def test_a_list_on_one_page_shows_how_it_is_cut_when_less_is_asked_for(
    cli: Cli, project: Path, recorded: RecordedSource
) -> None:
    new(cli, f"{recorded.url}/paged/cursor/carts", "--yes")
    assert stream_of(project, "carts").pagination == NextCursor(
        param="cursor", next="meta.next_cursor", more="meta.has_more"
    )


def test_only_so_many_pages_are_taken_and_further_ones_are_held_to_what_they_show(
    cli: Cli, recorded: RecordedSource
) -> None:
    url = f"{recorded.url}/paged/page/synthetic/7/3000/carts"
    found = json.loads(new(cli, url, "--yes", "--json", "--pages", "2", "--further", "1", "--dry-run").stdout)
    assert (found["sample"]["accepted"], found["further"]["accepted"], found["whole"]) == (200, 100, False)
    assert found["requests"] == len(recorded.requests) < 20


def test_a_limit_of_the_source_is_kept_and_written(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    result = new(cli, f"{recorded.url}/limited/5/1/paged/offset/carts", "--yes")
    assert result.exit_code == 0, result.output
    assert "429" in result.stderr  # why it waits, in words
    assert "stamina" not in result.output
    policy = load_source(project / "sources/shop").request
    assert policy.requests_per_second is not None
    assert policy.requests_per_second <= 5
    assert "# 429 after 5 requests" in (project / "sources/shop/source.yaml").read_text()


@pytest.mark.parametrize(
    ("style", "option", "secret"),
    [
        ("api_key", "api_key:header=X-Api-Key", {"api_key": API_KEY}),
        ("api_key", "api_key:query=api_key", {"api_key": API_KEY}),
        ("bearer", "bearer", {"token": BEARER_TOKEN}),
        ("basic", "basic", {"username": USERNAME, "password": PASSWORD}),
    ],
)
def test_credentials_are_used_and_written_nowhere(
    style: str,
    option: str,
    secret: dict[str, str],
    cli: Cli,
    project: Path,
    recorded: RecordedSource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INGOT_SOURCE_SECRET", json.dumps(secret))
    result = new(cli, f"{recorded.url}/auth/{style}/products", "--yes", "--auth", option)
    assert result.exit_code == 0, result.output
    assert "ingot/{environment}/source/shop" in result.output  # where they have to be put
    assert load_source(project / "sources/shop").auth is not None
    for value in secret.values():
        assert value not in result.output
        assert all(value.encode() not in content for content in files_of(project).values())


def test_without_credentials_a_script_is_told_what_to_give_and_a_person_is_asked(
    cli: Cli, project: Path, recorded: RecordedSource
) -> None:
    from ingot.errors import SourceRefused

    before = files_of(project)
    url = f"{recorded.url}/auth/bearer/products"
    assert "give --auth api_key:header=NAME" in raised(new(cli, url, "--yes", fails=True), SourceRefused)
    told = raised(new(cli, url, "--yes", "--auth", "bearer", fails=True))
    assert 'INGOT_SOURCE_SECRET: {"token": "…"}' in told
    assert files_of(project) == before

    result = new(cli, url, answers=f"bearer\n{BEARER_TOKEN}\ny\n")
    assert result.exit_code == 0, result.output
    assert BEARER_TOKEN not in result.output
    assert load_source(project / "sources/shop").auth is not None


def test_a_key_in_the_url_is_refused_before_a_file_holds_it(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    before = files_of(project)
    told = raised(new(cli, f"{recorded.url}/products?api_key=abc", "--yes", fails=True))
    assert "--auth api_key:query=api_key" in told
    assert "abc" not in told
    assert files_of(project) == before


def records(recorded: RecordedSource, path: str, rows: list[dict[str, Any]]) -> str:
    recorded.misbehave(path, body=rows)
    return f"{recorded.url}{path}"


def test_without_a_clear_key_a_script_fails_with_the_candidates_and_a_person_is_asked(
    cli: Cli, project: Path, recorded: RecordedSource
) -> None:
    before = files_of(project)
    rows = [{"left_id": n, "right_id": 100 - n, "text": "the same"} for n in range(30)]
    url = records(recorded, "/pairs", rows)
    told = raised(new(cli, url, "--yes", fails=True))
    assert "left_id (unique in 30 of 30 records); right_id (unique in 30 of 30 records)" in told
    assert "--key FIELD[,FIELD]" in told
    assert files_of(project) == before

    result = new(cli, url, answers="right_id\ny\n")
    assert result.exit_code == 0, result.output
    assert "right_id: unique in 30 of 30 records" in result.output
    assert stream_of(project, "pairs").contract.primary_key == ("right_id",)


def test_a_key_of_several_fields_is_given_or_chosen(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    rows = [{"day": f"2026-01-{d:02}", "shop": s, "sold": 7} for d in range(1, 21) for s in ("north", "south")]
    url = records(recorded, "/sold", rows)
    assert "day,shop (unique together, 2 fields in 40 of 40 records)" in raised(new(cli, url, "--yes", fails=True))
    new(cli, url, "--yes", "--key", "day,shop")
    contract = stream_of(project, "sold").contract
    assert contract.primary_key == ("day", "shop")
    assert "--key takes day, shop, sold" in raised(new(cli, url, "--yes", "--key", "id", name="other", fails=True))


def test_a_cursor_is_never_guessed_but_offered_with_its_evidence(
    cli: Cli, project: Path, recorded: RecordedSource
) -> None:
    rows = [{"id": n, "updated_at": f"2026-01-01T00:00:{n:02}Z"} for n in range(30)]
    url = records(recorded, "/changes", rows)
    new(cli, url, "--yes", name="one")
    assert stream_of(project, "changes", "one").mode == "snapshot"
    assert "candidate for a cursor: updated_at" in (project / "sources/one/source.yaml").read_text()

    result = new(cli, url, name="two", answers="updated_at=since\ny\n")
    assert result.exit_code == 0, result.output
    stream = stream_of(project, "changes", "two")
    assert stream.mode == "cursor"
    assert stream.cursor is not None
    assert (stream.cursor.field, stream.params) == ("updated_at", {"since": "{cursor:%Y-%m-%dT%H:%M:%SZ}"})
    assert "candidates: updated_at" in raised(new(cli, url, "--cursor", "id", "--yes", name="three", fails=True))


def test_what_the_gate_would_refuse_is_shown(cli: Cli, recorded: RecordedSource) -> None:
    rows: list[dict[str, Any]] = [{"id": n, "name": "x"} for n in range(30)]
    recorded.misbehave("/things", body=json.dumps(rows).replace('"id": 7, "name": "x"', '"id": 7, "id": 7'))
    result = new(cli, f"{recorded.url}/things", "--yes", "--dry-run", "--key", "id")
    assert result.exit_code == 1
    assert "29 accepted, 1 refused" in result.output
    assert "refused 1: $: The key id stands twice in one object" in result.output


def test_nothing_is_written_over_without_force_and_nothing_by_a_dry_run(
    cli: Cli, project: Path, recorded: RecordedSource
) -> None:
    before = files_of(project)
    assert new(cli, f"{recorded.url}/products", "--yes", "--dry-run").exit_code == 0
    assert files_of(project) == before
    new(cli, f"{recorded.url}/products", "--yes", "--title", "First")
    first = files_of(project)
    assert "There is a source shop already" in raised(new(cli, f"{recorded.url}/products", "--yes", fails=True))
    assert files_of(project) == first
    result = new(cli, f"{recorded.url}/products", "--yes", "--title", "Second", "--force")
    assert "changed sources/shop/source.yaml" in result.output
    assert yaml.safe_load((project / "sources/shop/source.yaml").read_text())["title"] == "Second"


def test_a_model_that_somebody_wrote_is_not_written_over(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    model = project / "dbt/models/silver/shop/shop_products.sql"
    model.parent.mkdir()
    model.write_text("select 1\n")
    before = files_of(project)
    assert "shop_products.sql is there already" in raised(new(cli, f"{recorded.url}/products", "--yes", fails=True))
    assert files_of(project) == before


def test_all_files_are_written_or_none(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    (project / "dbt/models/silver/shop").write_text("a file where a folder is needed")
    before = files_of(project)
    assert "nothing was" in raised(new(cli, f"{recorded.url}/products", "--yes", fails=True))
    assert files_of(project) == before
    assert not (project / "sources/shop").exists()


def test_a_person_may_say_no(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    before = files_of(project)
    assert new(cli, f"{recorded.url}/products", answers="n\n", fails=True).exit_code == 1
    assert files_of(project) == before


def test_the_same_sample_makes_the_same_files(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    url = f"{recorded.url}/paged/page/synthetic/7/300/users"
    new(cli, url, "--yes", "--start-date", "2026-01-01")
    first = files_of(project)
    new(cli, url, "--yes", "--start-date", "2026-01-01", "--force")
    assert files_of(project) == first


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<html>", "did not answer with JSON"),
        ([], "holds no records"),
        ({"error": "none"}, "holds no records"),
        ([1, 2], "holds no records"),
    ],
)
def test_an_answer_without_records_is_no_source(
    body: Any, told: str, cli: Cli, project: Path, recorded: RecordedSource
) -> None:
    before = files_of(project)
    recorded.misbehave("/odd", body=body)
    assert told in raised(new(cli, f"{recorded.url}/odd", "--yes", fails=True))
    assert files_of(project) == before


def test_a_classification_may_be_given(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    new(cli, f"{recorded.url}/users", "--yes", "--classify", "address.city=internal", "--classify", "id=confidential")
    contract = stream_of(project, "users").contract
    kept = {".".join(column.path): column.property.classification for column in contract.columns}
    assert (kept["address.city"], kept["id"], kept["address.street"]) == ("internal", "confidential", "personal")
    told = raised(new(cli, f"{recorded.url}/users", "--yes", "--classify", "town=internal", name="b", fails=True))
    assert "There is no field 'town'" in told


def test_check_says_what_is_wrong_and_list_what_there_is(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    new(cli, f"{recorded.url}/products", "--yes")
    rows = json.loads(cli("source", "list", "--json").stdout)
    assert {(row["source"], row["stream"], row["key"]) for row in rows} >= {("shop", "products", "id")}
    contract = project / "sources/shop/products.odcs.yaml"
    contract.write_text(contract.read_text().replace("maxLength: 256", "maxLength: 300"))
    (project / "sources/shop/old.odcs.yaml").write_text("")
    (project / "dbt/models/silver/shop/shop_products.sql").unlink()
    result = cli("source", "check", "shop", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)["shop"]
    assert "old.odcs.yaml belongs to no stream" in told[0]
    assert told[1] == "no model reads stg_shop__products"
    contract.write_text("nothing")
    assert "is no contract" in cli("source", "check", "shop").output
    assert "There is no source 'other'" in raised(cli("source", "check", "other", fails=True))


def test_another_tool_reads_what_is_written(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    """datacontract-cli, in an environment of its own, holds the contract to the standard."""
    tool = ROOT / ".venv-datacontract" / "bin" / "datacontract"
    assert tool.exists(), "run `make .venv-datacontract/.made`, as `make test` does"
    new(cli, f"{recorded.url}/users", "--yes")
    contract = project / "sources/shop/users.odcs.yaml"
    done = subprocess.run(
        [str(tool), "lint", str(contract)],
        env={**os.environ, "HOME": str(project)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


CSV = (
    "Artikel-Nr.;Bezeichnung;EK-Preis;Gültig ab;Lager;Aktiv;E-Mail\n"
    "00017;Schraube;1.234,50;01.02.2026;-;ja;a@example.com\n"
    "00018;Mutter;0,05;28.02.2026;12;nein;b@example.com\n"
    "00019;Öse;12,00;31.12.2025;7;ja;\n"
)


def test_a_file_becomes_a_source_that_reads_it(cli: Cli, project: Path) -> None:
    from ingot.files.declared import Files

    file = project / "preise-2026-02.csv"
    file.write_bytes(CSV.encode("cp1252"))
    result = new(cli, str(file), "--yes", "--key", "artikel_nr")
    assert result.exit_code == 0, result.output
    assert "3 accepted, 0 refused" in result.output
    assert "ingot land FILE --source shop" in result.output
    stream = stream_of(project, "preise")
    assert (stream.mode, stream.path) == ("landed", "")
    assert stream.files == Files(
        fallback_encoding="cp1252",
        decimal=",",
        thousands=".",
        nulls=("-",),
        dates="%d.%m.%Y",
        true_words=("true", "ja"),
        false_words=("false", "nein"),
    )
    assert {p.name: (p.logical_type, p.classification) for p in stream.contract.properties} == {
        "artikel_nr": ("string", "internal"),  # its zeros are part of it
        "bezeichnung": ("string", "internal"),
        "ek_preis": ("number", "internal"),
        "gultig_ab": ("date", "internal"),
        "lager": ("integer", "internal"),
        "aktiv": ("boolean", "internal"),
        "e_mail": ("string", "personal"),
    }
    source = (project / "sources/shop/source.yaml").read_text()
    assert 'dates: "%d.%m.%Y"  # 3 of 3 values of Gültig ab are written so' in source
    assert "is not UTF-8; which encoding it is, is not seen" in source
    assert "example.com" not in source + (project / "sources/shop/preise.odcs.yaml").read_text()


def test_a_day_that_fits_two_ways_is_asked_or_stays_text(cli: Cli, project: Path) -> None:
    file = project / "days.csv"
    file.write_text("id,day\n" + "".join(f"{n},0{n % 9 + 1}/0{n % 7 + 1}/2026\n" for n in range(20)))

    def kind(name: str) -> str:
        return next(p.logical_type for p in stream_of(project, "days", name).contract.properties if p.name == "day")

    new(cli, str(file), "--yes", name="one")
    assert kind("one") == "string"
    result = new(cli, str(file), name="two", answers="%m/%d/%Y\ny\n")
    assert "%d/%m/%Y: fits all 20 values" in result.output
    assert kind("two") == "date"
    new(cli, str(file), "--yes", "--file", "dates=%d/%m/%Y", name="three")
    assert stream_of(project, "days", "three").files.dates == "%d/%m/%Y"


@pytest.mark.parametrize("kind", ["json", "nested", "ndjson", "tsv.gz", "parquet", "xlsx"])
def test_files_of_every_kind(kind: str, cli: Cli, project: Path) -> None:
    rows = [{"id": n, "day": f"2026-01-{n + 1:02}", "price": n + 0.25, "note": "é"} for n in range(20)]
    file = project / f"things.{kind}"
    match kind:
        case "json":
            file.write_text(json.dumps(rows))
        case "nested":
            file.write_text(json.dumps({"meta": {"count": 20}, "result": {"things": rows}}))
        case "ndjson":
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case "tsv.gz":
            lines = ["\t".join(rows[0]), *("\t".join(map(str, row.values())) for row in rows)]
            file.write_bytes(gzip.compress("\r\n".join(lines).encode("utf-8-sig")))
        case "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist(rows), file)
        case "xlsx":
            file.write_bytes(workbook({"Sheet1": [list(rows[0]), *(list(row.values()) for row in rows)]}))
    found = json.loads(new(cli, str(file), "--yes", "--json").stdout)
    assert (found["sample"]["accepted"], found["sample"]["refused"]) == (20, 0), found
    stream = stream_of(project, "things")
    assert stream.contract.primary_key == ("id",)
    assert stream.files.records == ("result.things" if kind == "nested" else "")
    kinds = {p.name: p.logical_type for p in stream.contract.properties}
    assert kinds == {"id": "integer", "day": "date", "price": "number", "note": "string"}


def test_a_line_that_cannot_be_read_is_shown_and_refused(cli: Cli, project: Path) -> None:
    file = project / "things.csv"
    file.write_text("id,name\n" + "".join(f"{n},x\n" for n in range(20)) + "20,x,y\n")
    result = new(cli, str(file), "--yes", "--dry-run")
    assert result.exit_code == 1
    assert "20 accepted, 1 refused" in result.output
    assert "Expected 2 cells, got 3" in result.output


@pytest.mark.parametrize("content", [b"", b"\n\n", b"id,name\n", b"\x00\x01\x02", b"{}", b'{"a": 1'])
def test_a_file_without_records_is_no_source(content: bytes, cli: Cli, project: Path) -> None:
    file = project / "things.dat"
    file.write_bytes(content)
    before = files_of(project)
    raised(new(cli, str(file), "--yes", fails=True))
    assert files_of(project) == before
    assert "neither a URL nor a file" in raised(new(cli, "nowhere.csv", "--yes", fails=True))


def test_a_source_gets_one_more_stream(cli: Cli, project: Path, recorded: RecordedSource) -> None:
    new(cli, f"{recorded.url}/products", "--yes", "--start-date", "2026-01-01")
    first = files_of(project)
    source = project / "sources/shop/source.yaml"
    source.write_text(source.read_text() + "  # the last word of a person\n")
    result = new(cli, f"{recorded.url}/carts", "--yes", "--add")
    assert result.exit_code == 0, result.output
    read = load_source(project / "sources/shop")
    assert list(read.streams) == ["products", "carts"]
    assert "# the last word of a person" in source.read_text()
    assert cli("source", "check", "shop").output == "shop: all is well\n"
    after = files_of(project)
    changed = {path for path in first if first[path] != after[path]}
    assert changed == {
        "sources/shop/source.yaml",
        "dbt/models/staging/shop/_shop__models.yml",
        "dbt/models/staging/shop/_shop__sources.yml",
    }
    assert "There is a stream carts already" in raised(new(cli, f"{recorded.url}/carts", "--yes", "--add", fails=True))
    assert files_of(project) == after
    other = "http://127.0.0.1:1/users"
    assert "does not begin with" in raised(new(cli, other, "--yes", "--add", fails=True))
    raised(new(cli, f"{recorded.url}/users", "--yes", "--add", name="none", fails=True))
