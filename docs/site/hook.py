"""What the site needs beyond Markdown that reads well in the repository; mkdocs calls these (`hooks` in mkdocs.yml).

- A star in the navigation is every page of that folder that it does not name.
- A link to a file outside of docs/ leads to a page of that file: Markdown as it is, all else as a listing.
- The file that a fenced block names behind its language is the block's title.
- dbt's own documentation is put in as ``dbt/index.html``; `make site` made it before.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PROJECT = "project/"
"""The folder of the site in which the repository's other files are."""
DBT_PAGE = Path(os.environ.get("DBT_DOCS", ROOT / "build/dbt-docs/static_index.html"))

_LINK = re.compile(r"(?<=\]\()(?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
_CODE = re.compile(r"(^(?P<fence>`{3,}).*?^(?P=fence)$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
_TITLED = re.compile(r"^(?P<fence>`{3,})(?P<language>[a-z]+) (?P<file>[\w./-]+)$", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Stars become pages."""
    named = {name for name in _names(config.nav) if not name.endswith("*")}
    config.nav = _expanded(config.nav, named)
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds dbt's documentation, and every file of the repository that a page or the navigation leads to."""
    if not DBT_PAGE.is_file():
        raise PluginError(f"{DBT_PAGE} is missing, the documentation that dbt makes: build the site by `make site`")
    files.append(File.generated(config, "dbt/index.html", abs_src_path=str(DBT_PAGE)))
    todo = [name.removeprefix(PROJECT) for name in _names(config.nav) if name.startswith(PROJECT)]
    for page in files.documentation_pages():
        todo += _outside(page.src_uri, page.content_string)
    done = set()
    while todo:
        name = todo.pop()
        if name in done or not (ROOT / name).is_file():
            continue  # what is not there is reported by mkdocs, as a link that leads nowhere
        done.add(name)
        text = (ROOT / name).read_text(encoding="utf-8")
        if name.endswith(".md"):
            todo += _outside(PROJECT + name, text)
        else:
            text = f"---\nsearch:\n  exclude: true\n---\n# {name}\n\n``````{Path(name).suffix[1:]}\n{text}``````\n"
        files.append(File.generated(config, _page(name), content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Links and titles as the site has them."""
    source = page.file.src_uri
    parts = _CODE.split(markdown)
    # Three parts each: text, code, and the fence that the pattern remembers.
    text = [_LINK.sub(lambda found: _link(source, found), part) for part in parts[::3]]
    code = [_TITLED.sub(r'\g<fence>\g<language> title="\g<file>"', part) for part in parts[1::3]]
    return "".join(a + b for a, b in zip(text, [*code, ""], strict=True))


def _names(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [name for part in (nav.values() if isinstance(nav, dict) else nav) for name in _names(part)]


def _expanded(nav: Any, named: set[str]) -> Any:
    if isinstance(nav, dict):
        return {title: _expanded(part, named) for title, part in nav.items()}
    if not isinstance(nav, list):
        return nav
    found: list[Any] = []
    for part in nav:
        if isinstance(part, str) and part.endswith("/*"):
            pages = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.glob(part + ".md"))
            found += [page for page in pages if page not in named]
        else:
            found.append(_expanded(part, named))
    return found


def _outside(source: str, markdown: str) -> list[str]:
    """Files of the repository that a page leads to and that are none of its documentation's."""
    found = (_file(source, link["target"]) for text in _CODE.split(markdown)[::3] for link in _LINK.finditer(text))
    return [name for name in found if name and not name.startswith("docs/")]


def _file(source: str, target: str) -> str:
    """The file of the repository that a link of a page means; empty if it leads into the web."""
    if ":" in target or target.startswith("/"):
        return ""
    at = source.removeprefix(PROJECT) if source.startswith(PROJECT) else f"docs/{source}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(at), target))


def _page(name: str) -> str:
    """Where the site has a file of the repository."""
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    return PROJECT + name if name.endswith(".md") else f"{PROJECT}{name}.md"


def _link(source: str, found: re.Match[str]) -> str:
    name = _file(source, found["target"])
    if not name or (name.startswith("docs/") and not source.startswith(PROJECT)):
        return found[0]
    return posixpath.relpath(_page(name), posixpath.dirname(source) or ".") + (found["anchor"] or "")
