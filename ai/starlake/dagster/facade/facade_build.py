"""Shared state of the parts of one facade: its assets, its names, and its audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ai.starlake.common import sanitize_id
from ai.starlake.dagster.assets.checks.check_events import CheckResults
from ai.starlake.dagster.facade.mirroring.items_on_record import ItemsOnRecord
from ai.starlake.dagster.facade.mirroring.log_links import LogLinks

if TYPE_CHECKING:
    from ai.starlake.common.secrets import SecretReference
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.orchestration.outside import TrackingOptions
    from ai.starlake.project.assets.project_item import ProjectItem
    from ai.starlake.project.audit import AuditDatabase

    Audit = str | Path | SecretReference | Mapping[str, Any]

Mirror = Literal["runs", "events"]


@dataclass(frozen=True)
class FacadeSettings:
    """Settings of a facade that do not depend on its environment.

    Args:
        audit: The database of the audit: a DuckDB file, an SQLAlchemy URL, or a reference to either.
        tracking: Rules by which outside runs are found.
        links: The links to logs.
        timezone: The time zone of the audit's timestamps.
        interval_seconds: Seconds between two ticks of the sensor.
        code_location: The name of the code location to reload; that of the sensor by default.
        graphql_host: The host of Dagster's webserver; nothing is reloaded without it.
        graphql_port: Its port.
        graphql_kwargs: Further arguments of `DagsterGraphQLClient`.
    """

    audit: Audit = field(repr=False)
    tracking: TrackingOptions = field(repr=False)
    links: LogLinks
    timezone: str = "UTC"
    interval_seconds: int = 30
    code_location: str | None = None
    graphql_host: str | None = None
    graphql_port: int | None = None
    graphql_kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class FacadeBuild:
    """The input of one call of `StarlakeDagsterFacade.create_definitions`.

    Args:
        settings: The settings of the facade.
        assets: The selected items, and their specs.
        environment: The name of the environment.
        mirror: Form in which outside runs are mirrored: runs, events without a run, or nothing.
        sensor_runs: True if the sensor runs by default.
        name: Prefix of the names of jobs and sensors.
        remake: Creates the definitions again, from the current project.
    """

    settings: FacadeSettings
    assets: AssetBuild
    environment: str
    mirror: Mirror | None = "runs"
    sensor_runs: bool = True
    name: str = "starlake"
    remake: Callable[[], object] = field(default=lambda: None)

    def name_of(self, part: str) -> str:
        """Return the name of a job, a sensor or an op: ``starlake_sync_prod``."""
        return sanitize_id(f"{self.name}_{part}_{self.environment}")

    @cached_property
    def audit(self) -> AuditDatabase:
        """The audit. Its database is opened for each reading, and closed afterwards.

        Raises:
            StarlakeError: If the project cannot be read.
        """
        from ai.starlake.project.audit import open_audit
        from ai.starlake.project.audit.project_audit import audit_schemas

        application = self.assets.translated.project.model.application
        settings = self.settings
        return open_audit(settings.audit, schemas=audit_schemas(application), timezone=settings.timezone)

    @cached_property
    def on_record(self) -> ItemsOnRecord:
        """Items by their names in the audit."""
        return ItemsOnRecord(self.assets.translated.project.items, self.assets.items)

    def checks_of(self, item: ProjectItem) -> CheckResults:
        """Return the factory for the results of the checks of an item."""
        return CheckResults(self._checks[item.full_name], self.assets.sl_job.settings.max_rejected)

    @cached_property
    def _checks(self) -> Mapping[str, list[Any]]:
        found: dict[str, list[Any]] = {item.full_name: [] for item in self.assets.items}
        for check in self.assets.declared_checks(self.assets.items):
            found[check.item.full_name].append(check)
        return found
