"""Files: from what landed, in any of the formats that suppliers send, to records as the gate takes them.

::

    unpack    the bytes that landed → the files in them: gzip, zstd, zip
    detect    what a file is: CSV, JSON, NDJSON, Excel, Parquet; encoding and delimiter
    delimited, documents, excel, parquet    the rows or records of one file, each with its line
    columns   which column is which field of the contract
    values    a cell → the JSON value that the contract asks for, where that is exact
    reader    all of it: the records of one file

What cannot be read is a refused record with its place, like one that breaks the contract; nothing is guessed.
"""

from ingot.files.declared import Files, Form

__all__ = ["Files", "Form"]
