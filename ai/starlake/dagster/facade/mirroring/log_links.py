"""Links to the logs of outside runs."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING
from urllib.parse import quote

from ai.starlake.common import StarlakeError
from ai.starlake.common.redaction import passwords_of_urls

if TYPE_CHECKING:
    from ai.starlake.project.audit import AuditRow

_FIELDS = ("job_id", "domain", "table", "date")


@dataclass(frozen=True)
class LogLinks:
    """Creates links to logs.

    Args:
        template: The link, with ``{job_id}``, ``{domain}``, ``{table}`` and ``{date}``; None for no links.
    """

    template: str | None = None

    def __post_init__(self) -> None:
        if self.template is None:
            return
        if passwords_of_urls(self.template):
            raise StarlakeError(
                "log_url_template has a password",
                cause="links are shown with every outcome",
                fix="remove user and password from the link; readers log in themselves",
            )
        try:
            names = {name for _, name, _, _ in Formatter().parse(self.template) if name is not None}
            problem = f"it names {{{next(iter(names - {*_FIELDS}))}}}" if names - {*_FIELDS} else None
        except ValueError as error:
            problem = str(error)
        if problem:
            raise StarlakeError(
                f"log_url_template {self.template!r} cannot be used",
                cause=problem,
                fix=f"use {', '.join(f'{{{name}}}' for name in _FIELDS)}, and double braces for braces of the link",
            )

    def of(self, row: AuditRow) -> str | None:
        """Return the link to the log of a row; the date is that of its start, in UTC."""
        if self.template is None:
            return None
        values = {"job_id": row.job_id, "domain": row.domain, "table": row.table, "date": f"{row.started:%Y-%m-%d}"}
        return self.template.format(**{name: quote(value, safe="") for name, value in values.items()})
