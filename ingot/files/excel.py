"""Rows of an Excel sheet, read by calamine: values as they were last computed, no formulas, no macros."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from ingot.files.declared import Form
from ingot.files.model import Row, Unreadable

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_NOTHING = ("", None)


def sheet_of(content: IO[bytes], declared: str) -> str:
    """Which sheet is read: the declared one, or the only visible one that holds anything; empty if none does.

    Raises:
        Unreadable: it is no Excel file, has no such sheet, or several.
    """
    book = _open(content)
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = {each.name: each for each in book.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet}
    if declared:
        if declared not in sheets:
            raise Unreadable(f"It has no sheet {declared!r} (files.sheet)")
        return declared
    visible = [name for name, each in sheets.items() if each.visible == SheetVisibleEnum.Visible]
    full = [name for name in visible if _sheet(book, name).height]
    if len(full) > 1:
        raise Unreadable(f"{len(full)} of its sheets hold something: say which one is meant (files.sheet)")
    return full[0] if full else ""


def rows(content: IO[bytes], form: Form) -> Iterator[Row]:
    """The rows of a sheet from its header on, if it has one; those without anything in them are none."""
    sheet = _sheet(_open(content), form.sheet)
    before = [""] * (
        sheet.start[1] if sheet.start else 0
    )  # the reader begins with the first column that holds anything
    for number, cells in enumerate(sheet.iter_rows(), 1):
        if number >= form.header and any(cell not in _NOTHING for cell in cells):
            yield Row(number, before + cells)


def _open(content: IO[bytes]) -> CalamineWorkbook:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    content.seek(0)
    try:
        return CalamineWorkbook.from_filelike(content)
    except PasswordError:
        raise Unreadable("Behind a password: nobody here has one") from None
    except (CalamineError, OSError, ValueError) as error:
        raise Unreadable(f"No Excel file, or one that is damaged: {str(error)[:200]}") from None


def _sheet(book: CalamineWorkbook, name: str) -> CalamineSheet:
    from python_calamine import CalamineError

    try:
        return book.get_sheet_by_name(name)
    except (CalamineError, OSError, ValueError) as error:
        raise Unreadable(f"A sheet that cannot be read: {str(error)[:200]}") from None
