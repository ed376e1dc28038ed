"""Run a DAG whose commands need secrets, and say where these can be read afterwards. A program: see its test.

The secrets come from the database of Airflow, from its environment and from a secrets backend. The process has an
AIRFLOW_HOME of its own, which is searched byte by byte.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path

from tests.airflow.airflow_home import HOME, dag_bag, fresh_database

SECRETS = {
    "metastore": "of-the-database-1f8a",
    "connection": "of/a connection&2c9b",
    "environment": "of-the-environment-7d3e",
    "backend": "of-the-backend-4e6c",
    "json": "of-a-field-9a0d",
    "literal": "written-down-5b2f",
}

DAG_FILE = """
import base64

from airflow.sdk import DAG
from ai.starlake.airflow.bash import StarlakeAirflowBashJob

PROGRAM = "import os, sys, json;"
PROGRAM += "json.dump([sys.argv[1:], dict(os.environ)], open(sys.argv[1] + '.' + sys.argv[4], 'w'));"
PROGRAM += "print('printed', *os.environ.values()); sys.exit('bad' in sys.argv[4] and 'failed with ' + os.environ['A'])"

sl_job = StarlakeAirflowBashJob(options={
    "SL_STARLAKE_PATH": [%(python)r, "-c", PROGRAM, %(folder)r + "/told"],
    "retries": 0,
    "sl_env_var": {
        "SL_ROOT": %(folder)r,
        "A": {"variable": "metastore"},
        "B": {"connection": "warehouse", "field": "password"},
        "C": "{{ var.value.environment }}",
        "D": "{{ var.value.backend }}",
        "E": "postgresql://ada:{{ conn.warehouse.password }}@h/db?k={{ var.json.settings.deep.key }}",
        "F_TOKEN": base64.b64decode(%(literal)r).decode(),
    },
})
lost = StarlakeAirflowBashJob(options={
    "SL_STARLAKE_PATH": [%(python)r], "sl_env_var": {"A": {"variable": "lost"}}, "retries": 3, "retry_delay": 0,
})

with DAG("secrets", schedule=None):
    sl_job.sl_transform("good", "kpi.good")
    sl_job.sl_transform("bad", "kpi.bad", retries=0)
    lost.sl_transform("lost", "kpi.lost", retries=3, retry_delay=0)
"""


def main(folder: Path) -> None:
    """Run the DAG, and write what became of it into a file."""
    os.environ |= {
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(b"0" * 32).decode(),
        "AIRFLOW__SECRETS__BACKEND": "tests.airflow.counting_backend.CountingBackend",
        "AIRFLOW__WORKERS__SECRETS_BACKEND": "tests.airflow.counting_backend.CountingBackend",
        "AIRFLOW_VAR_ENVIRONMENT": SECRETS["environment"],
    }
    file = HOME / "dags" / "secrets.py"
    names = {"folder": str(folder), "python": sys.executable, "literal": base64.b64encode(SECRETS["literal"].encode())}
    file.write_text(DAG_FILE % names)
    database = fresh_database(file.parent)
    _keep_in_database()
    from tests.airflow.counting_backend import ASKED

    ASKED.clear()
    bag = dag_bag(file)
    if bag.import_errors:
        raise AssertionError(bag.import_errors)
    asked_when_read = list(ASKED)
    dag_run = bag.dags["secrets"].test()
    written = [path for path in HOME.rglob("*") if path.is_file() and path != file]
    found = {
        name: [str(path.relative_to(HOME)) for path in written if secret.encode() in path.read_bytes()]
        for name, secret in SECRETS.items()
    }
    said = {
        "asked_when_read": asked_when_read,
        "asked": sorted(set(ASKED)),
        "states": {each.task_id: str(each.state) for each in dag_run.get_task_instances()},
        "tries": {each.task_id: each.try_number for each in dag_run.get_task_instances()},
        "found": found,
        "searched": sorted(path.suffix for path in written),
        "database": database.stat().st_size,
    }
    (folder / "said.json").write_text(json.dumps(said))


def _keep_in_database() -> None:
    """Keep secrets in the database of Airflow, as its UI does: encrypted."""
    from airflow import settings
    from airflow.models import Connection, Variable

    Variable.set("metastore", SECRETS["metastore"])
    Variable.set("settings", json.dumps({"deep": {"key": SECRETS["json"]}}))
    with settings.Session() as session:
        session.add(Connection(conn_id="warehouse", conn_type="postgres", password=SECRETS["connection"]))
        session.commit()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
