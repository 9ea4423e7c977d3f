"""The site of the documentation, as `make site` builds it: whole, without dead links, and of itself alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[3]
MKDOCS = ROOT / ".venv-docs/bin/mkdocs"
LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""What a browser fetches of a page without being asked."""


def build(checkout: Path, site: Path, dbt_page: Path) -> subprocess.CompletedProcess[str]:
    """The last command of `make site`."""
    assert MKDOCS.exists(), "run `make .venv-docs/.made`, as `make test` does"
    return subprocess.run(
        [str(MKDOCS), "build", "--strict", "--site-dir", str(site)],
        cwd=checkout,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "DBT_DOCS": str(dbt_page)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "dbt.html").write_text("<title>dbt docs</title>")
    built = build(ROOT, folder / "site", folder / "dbt.html")
    assert built.returncode == 0, built.stderr
    return folder / "site"


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in LOADED and LOADED[tag] in given and given.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(given[LOADED[tag]])
        if "id" in given:
            self.anchors.add(given["id"])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found = {file: Page(file) for file in site.rglob("*.html") if file.name != "404.html" and file.parent.name != "dbt"}
    assert len(found) > 40
    return found


def test_the_navigation_leads_to_every_page(site: Path, pages: dict[Path, Page]) -> None:
    home = pages[site / "index.html"]
    reached = {target(site, site / "index.html", link) for link in home.links}
    documents = {
        site / (page.parent if page.name == "README.md" else page.with_suffix("")) / "index.html"
        for page in (file.relative_to(ROOT / "docs") for file in (ROOT / "docs").rglob("*.md"))
    }
    assert len(documents) > 40
    assert {*documents, site / "dbt/index.html", site / "project/CHANGELOG/index.html"} <= reached


def test_no_link_is_dead(site: Path, pages: dict[Path, Page]) -> None:
    dead = []
    for file, page in pages.items():
        for link in page.links:
            leads = target(site, file, link)
            anchor = unquote(urlsplit(link).fragment)
            if leads is None:
                continue
            if not leads.is_file() or (anchor and leads in pages and anchor not in {*pages[leads].anchors, "__skip"}):
                dead.append(f"{file.relative_to(site)}: {link}")
    assert dead == []


def test_a_page_loads_nothing_from_anywhere_else(site: Path, pages: dict[Path, Page]) -> None:
    """Neither at once, nor by a style: who reads is nobody's business."""
    for file, page in pages.items():
        assert page.loaded
        for each in page.loaded:
            leads = target(site, file, each)
            assert leads is not None, f"{file.relative_to(site)} loads {each}"
            assert leads.is_file(), f"{file.relative_to(site)} loads {each}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", style.read_text(encoding="utf-8")), style


def test_the_runbooks_sections_are_where_the_alarms_lead(site: Path, pages: dict[Path, Page]) -> None:
    text = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    github = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in sections}
    assert github
    assert github <= pages[site / "runbook/index.html"].anchors


def test_a_file_of_a_block_is_its_title(site: Path) -> None:
    page = (site / "how-to/add-a-source/index.html").read_text(encoding="utf-8")
    assert '<span class="filename">sources/github/issues.odcs.yaml</span>' in page
    assert "```" not in page


def test_the_search_knows_the_pages(site: Path) -> None:
    index = (site / "search/search_index.json").read_text(encoding="utf-8")
    assert "runbook/#late" in index
    assert "tutorial/" in index


def test_what_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    gone = ["no-page.md", "runbook.md#no-anchor", "../sources/no-file.yaml", "images/no-picture.png"]
    for part in ("docs", "localstack/README.md", "localstack/recorded_source/README.md", "dbt/README.md", "sources"):
        target = tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__", "recorded"))
        else:
            shutil.copy(ROOT / part, target)
    for part in ("mkdocs.yml", "CHANGELOG.md", "README.md"):
        shutil.copy(ROOT / part, tmp_path)
    (tmp_path / "infra").mkdir()
    shutil.copy(ROOT / "infra/settings.yaml", tmp_path / "infra")
    with (tmp_path / "docs/operate.md").open("a", encoding="utf-8") as page:
        page.write("".join(f"\n[gone]({link})\n" for link in gone))
    (tmp_path / "dbt.html").touch()
    built = build(tmp_path, tmp_path / "site", tmp_path / "dbt.html")
    assert built.returncode != 0
    for link in gone:
        assert link.removeprefix("../") in built.stderr, built.stderr


def target(site: Path, file: Path, link: str) -> Path | None:
    """The file that a link of a page leads to; None if it leads into the web."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "mailto", "data"):
        return None
    assert not link.startswith("/"), f"{file}: {link} wants the site at the root"
    leads = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    return leads / "index.html" if leads.is_dir() else leads
