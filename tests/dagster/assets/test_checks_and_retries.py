"""Failed checks and retries: what Dagster runs again, and what it does not."""

from __future__ import annotations

from collections import Counter

import pytest
from dagster import DagsterEventType, DagsterInstance, execute_job
from dagster._core.definitions.reconstruct import ReconstructableRepository

from tests.dagster.assets.conftest import Folder
from tests.dagster.assets.flaky import Journal
from tests.dagster.reexecution import STRATEGIES, reexecute
from tests.fakes.project_folder import APPLICATION

CODE = """
from ai.starlake.dagster import build_starlake_definitions
from tests.dagster.assets.flaky import FlakyJob

defs = build_starlake_definitions({root!r}, FlakyJob(options={options!r}), schedules=False, sensors=False)
"""
MACROS = "{% macro empty() %}SELECT count(*) FROM sl_this WHERE id > 0{% endmacro %}"


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [each for each in STRATEGIES if each != "ALL_STEPS"])
def test_tables_of_which_a_check_warns_are_not_made_again(folder: Folder, strategy: str) -> None:
    """The application does not say that expectations fail loads, so that none of them blocks."""
    journal = Journal(folder.root / "journal")
    folder.write("application.sl.yml", APPLICATION)
    folder.write("expectations/shop.j2", MACROS)
    gate = f'presql:\n  - "{journal.gate("shop.bad")}"\n'
    for name, more in (("good", ""), ("bad", gate)):
        folder.table("shop", name, more=f'{more}expectations: ["empty()"]\n')
        file = folder.root / "datasets/stage/shop" / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("id\n1\nx\n")
    code = folder.root / "definitions.py"
    code.write_text(CODE.format(root=str(folder.root), options={"journal": str(journal.folder)}))
    home = folder.root / "dagster"
    home.mkdir()
    instance = DagsterInstance.local_temp(str(home))
    job = ReconstructableRepository.for_file(str(code), "defs").get_reconstructable_job("__ASSET_JOB")
    config = {"execution": {"config": {"in_process": {}}}}
    failed = execute_job(job, instance, run_config=config, raise_on_error=False)
    assert not failed.success
    entries = instance.all_logs(failed.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    results = [entry.dagster_event.event_specific_data for entry in entries]
    assert [(each.asset_key.path[-1], each.check_name, each.passed) for each in results] == [
        ("good", "empty", False),
        ("good", "rejected_rows", False),
    ]
    journal.forget()
    assert reexecute(instance, code, failed.run_id, strategy).is_success
    assert journal.made() == Counter({"shop.bad": 1})
