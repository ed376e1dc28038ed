"""The Airflow plugin of this package: functions for the templates of all DAGs."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from ai.starlake.airflow.macros import MACROS


class StarlakePlugin(AirflowPlugin):
    """Adds ``macros.starlake``, such as ``{{ macros.starlake.sl_scheduled_date('0 2 * * *', ts) }}``.

    The link to the log of a remote command needs no plugin: Airflow's server reads it from an XCom. It must not be
    registered here either, or the server would call it instead, without any information about the task.
    """

    name = "starlake"
    macros = list(MACROS.values())  # noqa: RUF012  Airflow's class declares it so
