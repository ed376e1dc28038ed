"""Projects to generate DAG files of, in the place of a user's: for any orchestrator."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from ai.starlake.project import Project
from ai.starlake.project.dag_generation import generate

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "starbake"
TABLES = ("Customers", "Ingredients", "Orders", "Products")
ACK = "{SL_ROOT}/go.ack"
GCP_PROJECT, REGION, RUN_JOB = "my-project", "europe-west1", "starlake"
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "shell": {},
    "embedded": {},
    "cloud_run": {"cloud_run_project_id": GCP_PROJECT, "cloud_run_job_name": RUN_JOB, "cloud_run_region": REGION},
    "dataproc": {
        "dataproc_project_id": GCP_PROJECT,
        "spark_bucket": "my-bucket",
        "spark_jar_list": "gs://jars/starlake.jar",
    },
}
"""Options of DAG configurations by execution environment."""


class Shop:
    """A Starlake project in a folder, with the DAG configurations that its files are generated from.

    Args:
        root: The folder.
        place: Where its commands run.
        options: Options of that place beyond `OPTIONS`, such as the addresses of an emulator.
        orchestrator: Whose templates the files are made with.
    """

    def __init__(
        self, root: Path, place: str, options: Mapping[str, str] | None = None, orchestrator: str = "dagster"
    ) -> None:
        self.root = root
        self.place = place
        self.orchestrator = orchestrator
        self.options = {"sl_env_var": json.dumps({"SL_ROOT": str(root)}), **OPTIONS[place], **(options or {})}

    def write(self, name: str, text: str) -> None:
        file = self.root / "metadata" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def configure(self, kind: str, filename: str, **options: str) -> None:
        """Write a DAG configuration."""
        what = "table" if kind == "load" else "task"
        dag = {
            "template": f"{kind}/{self.orchestrator}__scheduled_{what}__{self.place}.py.j2",
            "filename": filename,
            "options": {**self.options, **options},
        }
        self.write(f"dags/{kind}_{self.place}.sl.yml", json.dumps({"version": 1, "dag": dag}))

    def generate(self) -> Path:
        """Write the only file that there is to generate.

        Returns:
            The file.
        """
        refs = {"SL_DAG_REF_LOAD": f"load_{self.place}", "SL_DAG_REF_TRANSFORM": f"transform_{self.place}"}
        folder = self.root / "metadata" / "dags"
        chosen = {name: ref for name, ref in refs.items() if (folder / f"{ref}.sl.yml").exists()}
        project = Project.read(self.root, environment=chosen)
        (made,) = generate(project, domains="SL_DAG_REF_LOAD" in chosen, tasks="SL_DAG_REF_TRANSFORM" in chosen)
        file = self.root / made.name
        file.write_text(made.text, encoding="utf-8")
        return file


class Bakery(Shop):
    """A copy of the sample project, with what the shops delivered."""

    def __init__(
        self, root: Path, place: str, options: Mapping[str, str] | None = None, orchestrator: str = "dagster"
    ) -> None:
        shutil.copytree(SAMPLE, root, ignore=shutil.ignore_patterns("datasets", "dags", "__pycache__"))
        super().__init__(root, place, options, orchestrator)
        application = (root / "metadata/application.sl.yml").read_text("utf-8").partition("  #")[0]
        self.write("application.sl.yml", application)

    def loads(self, strategy: str, schedules: int) -> Path:
        """Generate the file that loads the tables.

        Args:
            strategy: The pre-load strategy.
            schedules: How many different schedules its tables have; 0 for no cron expression at all.
        """
        config = self.root / "metadata/load/starbake/_config.sl.yml"
        plain = "\n".join(line for line in config.read_text("utf-8").splitlines() if "schedule:" not in line)
        config.write_text(plain + ('\n    schedule: "0 5 * * *"\n' if schedules else "\n"), encoding="utf-8")
        if schedules > 1:
            orders = self.root / "metadata/load/starbake/Orders.sl.yml"
            text = orders.read_text("utf-8").replace("  metadata:\n", "  metadata:\n    schedule: hourly\n")
            orders.write_text(text, encoding="utf-8")
        self.configure("load", "starbake_load.py", pre_load_strategy=strategy, **_waiting(strategy))
        return self.generate()

    def deliver(self, strategy: str) -> None:
        """Brings the files to where a strategy expects them; for the strategy ack it gives the go as well."""
        if strategy == "ack":
            (self.root / "go.ack").touch()
        landing = self.root / "incoming" / "starbake"
        if strategy != "imported" and landing.exists():
            stage = self.root / "datasets" / "stage" / "starbake"
            stage.parent.mkdir(parents=True, exist_ok=True)
            landing.rename(stage)


class Layers(Shop):
    """Layers of tasks that each read all of the layer below; those of the lowest one read a table that is loaded."""

    def __init__(
        self,
        root: Path,
        place: str,
        width: int,
        depth: int,
        options: Mapping[str, str] | None = None,
        orchestrator: str = "dagster",
    ) -> None:
        super().__init__(root, place, options, orchestrator)
        url = f"jdbc:duckdb:{root}/datasets/duckdb.db"
        connection = {"type": "jdbc", "options": {"url": url, "driver": "org.duckdb.DuckDBDriver"}}
        application = {"connectionRef": "duckdb", "connections": {"duckdb": connection}}
        self.write("application.sl.yml", json.dumps({"version": 1, "application": application}))
        table = {"name": "ground", "pattern": "ground.*", "attributes": [{"name": "id", "type": "int"}]}
        table["metadata"] = {"format": "DSV", "separator": ",", "withHeader": True}
        self.write("load/earth/ground.sl.yml", json.dumps({"version": 1, "table": table}))
        domain = {"name": "earth", "metadata": {"directory": f"{root}/incoming/earth"}}
        self.write("load/earth/_config.sl.yml", json.dumps({"version": 1, "load": domain}))
        self.layers = [[f"tower.t{level}_{number}" for number in range(width)] for level in range(depth)]
        for below, layer in zip([["earth.ground"], *self.layers], self.layers, strict=False):
            sql = " UNION ALL ".join(f"SELECT max(id) + 1 AS id FROM {name}" for name in below)
            for name in layer:
                self.write(f"transform/tower/{name.partition('.')[2]}.sql", sql)

    def transforms(self, kind: str) -> Path:
        """Generate the file that runs the tasks.

        Args:
            kind: ``data`` where updates of the table start it, ``cron`` where the clock does, and ``first`` where it
                loads the table first.
        """
        if kind == "cron":
            for name in (name for layer in self.layers for name in layer):
                stem = name.partition(".")[2]
                self.write(f"transform/tower/{stem}.sl.yml", "version: 1\ntask: {schedule: '0 6 * * *'}")
        first = {"run_dependencies_first": "true"} if kind == "first" else {}
        self.configure("transform", "tower.py", **first)
        return self.generate()

    def deliver(self) -> None:
        """Put a file of the table into the stage area."""
        stage = self.root / "datasets" / "stage" / "earth"
        stage.mkdir(parents=True)
        (stage / "ground.csv").write_text("id\n1\n2\n", encoding="utf-8")


def _waiting(strategy: str) -> dict[str, str]:
    if strategy != "ack":
        return {}
    return {"global_ack_file_path": ACK, "ack_wait_timeout": "0", "ack_poll_interval": "0.01"}
