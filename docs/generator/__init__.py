"""The references in `docs/reference` that are generated from code: the command line, the settings.

A tool of the checkout, not of the wheel: it reads what no installed Ingot has beside it (`infra/`, `dags/`, `dbt/`).
``python -m docs.generator`` writes the pages, ``--check`` fails if one is stale; `make docs` and `make lint` do so.
"""
