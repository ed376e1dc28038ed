"""A secrets backend for tests: it has one Variable, and counts what it is asked for."""

from __future__ import annotations

from airflow.secrets import BaseSecretsBackend

ASKED: list[str] = []


class CountingBackend(BaseSecretsBackend):
    """Has the Variable ``backend``."""

    def get_variable(self, key: str, team_name: str | None = None) -> str | None:
        """Return the value of a Variable, and count the question."""
        ASKED.append(key)
        return "of-the-backend-4e6c" if key == "backend" else None

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> str | None:
        """Return nothing, and count the question."""
        ASKED.append(conn_id)
        return None

    def get_config(self, key: str) -> str | None:
        """Return nothing."""
        return None
