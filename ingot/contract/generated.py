"""Files that are generated from the contracts and committed: written, or compared with what they should be."""

from __future__ import annotations

from pathlib import Path

from ingot.contract.dbt import staging_files
from ingot.contract.page import contract_page, index_page
from ingot.sources import load_sources


def expected(sources: Path, dbt: Path, docs: Path | None = None) -> dict[Path, str]:
    """Every generated file and its content.

    Args:
        sources: the folder of the sources.
        dbt: the dbt project.
        docs: the folder of the documentation; None: no pages are asked for.
    """
    files: dict[Path, str] = {}
    every = load_sources(sources)
    if docs is not None:
        pages = docs / "reference" / "contracts"
        files[pages / "README.md"] = index_page(every.values())
        for source in every.values():
            for stream in source.streams.values():
                files[pages / f"{source.name}.{stream.name}.md"] = contract_page(source, stream)
    for source in every.values():
        contracts = {name: stream.contract for name, stream in source.streams.items()}
        folder = dbt / "models" / "staging" / source.name
        files |= {folder / name: text for name, text in staging_files(source.name, contracts).items()}
    return files


def stale(sources: Path, dbt: Path, docs: Path | None = None) -> list[Path]:
    """The generated files that are missing or differ, and leftovers of streams that are no more."""
    wanted = expected(sources, dbt, docs)
    differing = [
        file for file, text in wanted.items() if not file.is_file() or file.read_text(encoding="utf-8") != text
    ]
    folders = {file.parent for file in wanted}
    leftovers = [f for folder in sorted(folders) if folder.is_dir() for f in folder.iterdir() if f not in wanted]
    return sorted(differing + leftovers)


def write(sources: Path, dbt: Path, docs: Path | None = None) -> list[Path]:
    """Write what is stale and remove leftovers; the files that were touched."""
    wanted = expected(sources, dbt, docs)
    touched = stale(sources, dbt, docs)
    for file in touched:
        if file in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[file], encoding="utf-8")
        else:
            file.unlink()
    return touched
