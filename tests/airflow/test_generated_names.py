"""Generated DAG files of projects whose names and options are not harmless."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.airflow.airflow_home import dag_bag, run_dag
from tests.airflow.generated_dags import described
from tests.fakes.fake_cli import FakeStarlake
from tests.fakes.shops import Shop

DOMAINS = {
    "start": "daily",
    "end": "daily",
    "données": "daily",
    "class": "hourly",
    'o\'brien "& sons"': "hourly",
    "$(touch pwned)": "hourly",
}
"""Domains with one table each, and their schedules."""
TABLE = "it's; `select` \\ {{ ds }}"
NASTY = 'it\'s "quoted" \\n {braces} """ \'end\' {{ds}}'


@pytest.fixture
def shop(tmp_path: Path, fake: FakeStarlake) -> Shop:
    """Return a project of such names; its commands are run by the fake."""
    made = Shop(tmp_path / "pro ject's", "shell", {"SL_STARLAKE_PATH": str(fake.path)}, orchestrator="airflow")
    made.write("application.sl.yml", json.dumps({"version": 1, "application": {"loader": "spark"}}))
    for number, (domain, schedule) in enumerate(DOMAINS.items()):
        metadata = {"schedule": schedule, "directory": "incoming"}
        made.write(f"load/d{number}/_config.sl.yml", json.dumps({"load": {"name": domain, "metadata": metadata}}))
        attributes = [{"name": "id", "type": "string"}]
        table = {"name": TABLE.replace("{{ ds }}", "{{ '{{ ds }}' }}"), "pattern": "a.*", "attributes": attributes}
        made.write(f"load/d{number}/t.sl.yml", json.dumps({"table": table}))
    return made


def test_names_reach_the_commands_as_they_are(shop: Shop, fake: FakeStarlake, tmp_path: Path) -> None:
    shop.configure("load", "all.py")
    file = shop.generate()
    bag = dag_bag(file)
    assert bag.import_errors == {}
    assert {dag_id: described(dag).cron for dag_id, dag in bag.dags.items()} == {
        "all_daily": "0 0 * * *",
        "all_hourly": "0 * * * *",
    }
    for name in ("daily", "hourly"):
        fake.forget()
        run = run_dag(file, dag_id=f"all_{name}")
        last = run.tasks.pop(f"end_{name}")  # skipped, as no load found a file
        assert (run.state, set(run.tasks.values()), last) == ("success", {"success"}, "skipped"), run.tasks
        assert f"start_{name}" in run.tasks
        called = [(call.value_of("--domains"), call.value_of("--tables")) for call in fake.calls("load")]
        assert sorted(called) == sorted((domain, TABLE) for domain, schedule in DOMAINS.items() if schedule == name)
    assert not list(tmp_path.rglob("pwned"))


def test_one_schedule_has_a_domain_called_as_its_first_task(shop: Shop, fake: FakeStarlake) -> None:
    for number in range(2, len(DOMAINS)):
        (shop.root / f"metadata/load/d{number}/t.sl.yml").unlink()
        (shop.root / f"metadata/load/d{number}/_config.sl.yml").unlink()
    shop.configure("load", "start.py", pre_load_strategy="imported")
    (dag,) = dag_bag(shop.generate()).dags.values()
    assert dag.dag_id == "start"
    assert {"start", "end"} <= set(dag.task_dict)
    for domain in ("start", "end"):
        (load,) = [task for task in dag.task_ids if f"load_{domain}_it_s" in task]
        assert load.count(".") == 2


def test_options_and_comments_are_what_they_were(shop: Shop, fake: FakeStarlake) -> None:
    config = {"template": "load/airflow__scheduled_table__shell.py.j2", "filename": "all.py", "comment": NASTY}
    roles = {"Op": ["can_read"], 'it\'s "mine"': ["can_edit"]}
    options = {**shop.options, "tags": "it's \\n", "sl_include_env_vars": "A\\\\B,'C'"}
    shop.write("dags/load_shell.sl.yml", json.dumps({"version": 1, "dag": {**config, "options": options}}))
    shop.write("env.sl.yml", json.dumps({"version": 1, "env": {"sl_airflow_access_control": json.dumps(roles)}}))
    bag = dag_bag(shop.generate())
    assert bag.import_errors == {}
    for dag in bag.dags.values():
        assert dag.description == NASTY
        assert {"it's", "\\n"} <= set(dag.tags)
        assert set(dag.access_control) == set(roles)
