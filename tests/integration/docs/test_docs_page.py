"""What a page says is printed is held to what is: the reading of pages itself."""

from __future__ import annotations

import pytest

from tests.integration.docs.page import Command, Edit, Written, steps

PAGE = """\
```console
$ ingot batches \\
      --json
state    …
…
2 rows
$ ls
```

```diff a/b.yaml
 kept
-old
+new
```

```csv prices.csv
a;b
```

```yaml
shown: only
```
"""


def test_a_page_is_read_as_commands_edits_and_files() -> None:
    batches, ls, edit, written = steps(PAGE)
    assert (batches.line, ls.line, edit.line, written.line) == (2, 7, 11, 17)
    assert isinstance(batches, Command)
    assert batches.text == "ingot batches \\\n      --json"
    assert ls == Command(7, "ls", ())
    assert edit == Edit(11, "a/b.yaml", "kept\nold\n", "kept\nnew\n")
    assert written == Written(17, "prices.csv", "a;b\n")


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ([], "whatever", True),
        (["2 rows"], "2  rows\n\n", True),
        (["2 rows"], "3 rows\n", False),
        (["2 rows"], "2 rows\nand a warning\n", False),
        (["2 rows"], "12 rows\n", False),
        (["2 rows"], "", False),
        (["…", "2 rows"], "one\ntwo\n2 rows\n", True),
        (["…", "2 rows"], "2 rows\n", True),
        (["2 rows", "…"], "one\n2 rows\n", False),
        (["after … requests"], "after 7 requests\n", True),
        (["after … requests"], "after 7\n requests\n", False),
        (["a.c"], "abc\n", False),
        (["Write these files? [Y/n]: y", "Done"], "Write these files? [Y/n]: \nDone\n", True),
        (["Answer (--key FIELD) [id]: id", "Done"], "Answer (--key FIELD) [id]: Done\n", True),
        (["Answer (--key FIELD) [id]: id", "Done"], "Answer (--key FIELD) [name]: Done\n", False),
    ],
)
def test_what_is_printed_otherwise_does_not_fit(shown: list[str], printed: str, fits: bool) -> None:
    assert Command(1, "ls", tuple(shown)).fits(printed) is fits


def test_a_reader_answers_what_stands_behind_the_question() -> None:
    shown = ("Answer (--cursor FIELD=PARAMETER) [none]: updated_at=since", "Write these files? [Y/n]: y")
    assert Command(1, "ls", shown).answers == ["updated_at=since", "y"]
