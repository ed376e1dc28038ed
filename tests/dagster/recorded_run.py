"""The only run of a home of Dagster, as its users see it afterwards."""

from __future__ import annotations

from pathlib import Path

from dagster import DagsterEventType, DagsterInstance


def made_and_checked(home: Path) -> tuple[set[str], dict[str, str]]:
    """Return the assets that the only run of a home materialized, and the results of its checks.

    Args:
        home: The folder with `dagster.yaml`.

    Returns:
        The keys of the assets; and by the name of each check `passed`, or how severe its failure is.
    """
    with DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_run_records()
        events = [entry.dagster_event for entry in instance.all_logs(run.dagster_run.run_id) if entry.dagster_event]
    made = {event.asset_key.to_user_string() for event in events if event.is_step_materialization}
    checks = [
        event.event_specific_data for event in events if event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    return made, {
        f"{each.asset_key.to_user_string()}:{each.check_name}": "passed" if each.passed else each.severity.value
        for each in checks
    }
