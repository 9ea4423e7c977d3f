"""Writes the files of a source: all of them, or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ingot.contract.generated import expected
from ingot.errors import ConfigurationError
from ingot.sources import load_source


def generated_files(
    name: str, texts: Mapping[str, str], *, sources: Path, dbt: Path, docs: Path | None, keep: bool = False
) -> dict[Path, str]:
    """What follows from a source that is not written yet: staging and pages, as ``ingot contract compile`` writes them.

    Args:
        texts: the files of its folder, by name.
        sources: the folder of the sources; the other ones are read there.
        keep: its other files there stay as they are.

    Raises:
        ConfigurationError: a file is wrong: of this source, or of another one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "sources"
        for file in sorted([*sources.glob("*/source.yaml"), *sources.glob("*/*.odcs.yaml")]):
            if keep or file.parent.name != name:
                copy = folder / file.parent.name / file.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file_name, text in texts.items():
            (folder / name / file_name).write_text(text, encoding="utf-8")
        load_source(folder / name)
        every = expected(folder, dbt, docs)
    mine = dbt / "models" / "staging" / name
    index = docs / "reference" / "contracts" if docs is not None else None
    return {
        file: text
        for file, text in every.items()
        if file.parent == mine
        or (file.parent == index and (file.name == "README.md" or file.name.startswith(f"{name}.")))
    }


def write(files: Mapping[Path, str]) -> list[Path]:
    """Put all files in place; what was there before stays, in all places, if one of them cannot be written.

    Raises:
        ConfigurationError: one of them cannot.
    """
    before = {file: file.read_bytes() if file.is_file() else None for file in files}
    made: list[Path] = []
    done: list[Path] = []
    try:
        for file, text in files.items():
            for parent in reversed(file.parents):
                if not parent.exists():
                    parent.mkdir()
                    made.append(parent)
            done.append(file)
            _put(file, text.encode())
    except BaseException as error:
        for file in done:
            old = before[file]
            with suppress(OSError):
                file.unlink(missing_ok=True) if old is None else _put(file, old)
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise ConfigurationError(
                f"{error.filename} cannot be written: {error.strerror}; nothing was.",
                hint="see that the folder may be written",
            ) from error
        raise
    return list(files)


def _put(file: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as written:
            written.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
