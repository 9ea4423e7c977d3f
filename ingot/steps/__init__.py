"""The steps of a batch: extract, refine, load; a module each, so that a job imports no more than its own needs.

Each is idempotent and works within a record of its attempt. Beside them are what follows a run (audit) and what a
person asks for (resolve, rebuild).
"""
