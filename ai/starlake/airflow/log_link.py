"""Link from a task to the log of its remote command."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink


def keep_log(operator: Any, log_url: str | None) -> None:
    """Let the link of a task open a log; a local command has none, and nothing is stored.

    Args:
        operator: The operator that runs: a copy of the DAG's own, which keeps its links.
        log_url: URL of the log of its command.
    """
    operator.log_url = log_url
    if not log_url:
        operator.operator_extra_links = ()


class StarlakeLogLink(BaseOperatorLink):
    """Opens the log of a remote command from its task.

    The operator keeps the URL as its `log_url`; Airflow stores it, an XCom of one string, when the task has ended. The
    server reads only that string: it needs no package of an executor, nor this one.
    """

    name = "Starlake log"
    xcom_key = "_link_StarlakeLogLink"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002
        """Return the URL of the log; an empty string for a local command.

        Args:
            operator: The operator that ran.
            ti_key: The task's attempt.
        """
        return getattr(operator, "log_url", None) or ""
