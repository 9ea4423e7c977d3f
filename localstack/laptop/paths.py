"""Where everything that is started on a laptop keeps its state: below one folder, ``.ingot/``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Home:
    """The state folder and the places in it. ``INGOT_HOME`` moves it."""

    folder: Path
    checkout: Path = CHECKOUT

    @classmethod
    def find(cls) -> Home:
        """The folder that the environment names, or ``.ingot`` in the checkout; made if need be."""
        home = cls(Path(os.environ.get("INGOT_HOME") or CHECKOUT / ".ingot").resolve())
        for folder in (home.folder, home.run, home.logs, home.airflow, home.lineage):
            folder.mkdir(parents=True, exist_ok=True)
        return home

    @property
    def run(self) -> Path:
        """Pid files and ready files."""
        return self.folder / "run"

    @property
    def logs(self) -> Path:
        """One log a service."""
        return self.folder / "logs"

    @property
    def lineage(self) -> Path:
        """What was reported in OpenLineage, one file an event."""
        return self.folder / "lineage"

    @property
    def memory(self) -> Path:
        """Ports and generated passwords; readable by its owner only."""
        return self.folder / "memory.json"

    @property
    def env(self) -> Path:
        """What a shell or the CLI needs, as ``KEY=value`` lines."""
        return self.folder / "env"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def cloud(self) -> Path:
        """The local cloud's own state."""
        return self.folder / "cloud"

    @property
    def airflow(self) -> Path:
        """``AIRFLOW_HOME``."""
        return self.folder / "airflow"

    @property
    def assembly(self) -> Path:
        """The synthesised CDK app."""
        return self.folder / "cdk.out"

    @property
    def sources(self) -> Path:
        """What is taken, and what was recorded of it."""
        return self.checkout / "sources"

    @property
    def python(self) -> Path:
        """The interpreter of the main environment."""
        return self.checkout / ".venv" / "bin" / "python"

    @property
    def dbt(self) -> Path:
        """The dbt of the second environment."""
        return self.checkout / ".venv-dbt" / "bin" / "dbt"

    @property
    def dbt_command(self) -> Path:
        """The same dbt with its imports done beforehand: see ``dbt_server.py``."""
        return self.folder / "bin" / "dbt"

    @property
    def cdk(self) -> Path:
        return self.checkout / ".venv-node" / "node_modules" / ".bin" / "cdk"
