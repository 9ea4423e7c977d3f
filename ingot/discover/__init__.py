"""From a URL or a file to a working source: what a sample shows, each rule with its evidence.

::

    draft  →  api.py         an API: the walk from its first answer to the draft
              landed.py        a file, read as it will be when it lands
              draft.py         what both lead to: the texts of all files
              asking.py        few requests, slowly; what was seen of limits
              envelope.py      where the records are in an answer
              pagination.py    how an answer leads to the next one, held to a second answer
              sample.py        some pages, by the parts that the extract uses
              keys.py cursors.py fields.py formats.py personal.py names.py
                               what the records are
              questions.py     what cannot be seen is asked
              text.py silver.py write.py
                               the files: YAML with its evidence, dbt, all or none
              dry_run.py       the gate on the sample
"""

from pathlib import Path

from ingot.discover.draft import Draft, Wanted
from ingot.discover.questions import Questions

__all__ = ["Draft", "Wanted", "draft"]


def draft(wanted: Wanted, questions: Questions) -> Draft:
    """Look at an API or a file, and say what source it is.

    Raises:
        IngotError: it cannot be asked or read, or holds no records.
        ConfigurationError: something cannot be seen, and nobody answers.
    """
    if "://" not in wanted.url and Path(wanted.url).is_file():
        from ingot.discover import landed

        return landed.draft(wanted, questions)
    from ingot.discover import api

    return api.draft(wanted, questions)
