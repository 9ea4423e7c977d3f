"""The references in `docs/reference` that are generated: the command line, the metrics, the settings.

A tool of the checkout, not of the wheel: it reads what no installed Ingot has beside it (`infra/`, `dags/`, `dbt/`).
``python -m docs.generator`` writes the pages, ``--check`` fails if one is stale; `make docs` and `make lint` do so.
"""
