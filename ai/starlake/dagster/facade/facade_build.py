"""Everything that the parts of one facade share: its assets, its names, and the audit that it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ai.starlake.common import sanitize_id

if TYPE_CHECKING:
    from dagster import AssetKey

    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem

Mirror = Literal["runs", "events"]
Audit = str | Path


@dataclass(frozen=True)
class FacadeSettings:
    """The settings of a facade that do not depend on its environment.

    Args:
        audit: The database of the audit: a DuckDB file, or an SQLAlchemy URL.
        timezone: The time zone in which the audit's timestamps are written.
        group_seconds: How far rows of one run outside may lie apart, where each file has a JOBID of its own.
        settle_seconds: How long a run outside must be quiet before it is mirrored.
        lateness_seconds: How late a row of the audit may become visible.
        ignore_job_ids: A regular expression of JOBIDs that are not mirrored.
        log_url_template: The link to a log, with ``{job_id}``, ``{domain}``, ``{table}`` and ``{date}``.
        interval_seconds: How many seconds pass between two ticks of the sensor.
        code_location: The name of the code location to reload; that of the sensor by default.
        graphql_host: The host of Dagster's webserver; nothing is reloaded without it.
        graphql_port: Its port.
        graphql_kwargs: Further arguments of `DagsterGraphQLClient`.
    """

    audit: Audit = field(repr=False)
    timezone: str | None = None
    group_seconds: float = 120
    settle_seconds: float = 60
    lateness_seconds: float = 3600
    ignore_job_ids: str | None = None
    log_url_template: str | None = None
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
        assets: The chosen items, and what they become.
        environment: The name of the environment.
        mirror: How runs outside are mirrored: as runs, as events without a run, or not at all.
        sensor_runs: Whether the sensor runs until somebody switches it off.
        name: What the names of jobs and sensors begin with.
        remake: Makes the definitions again, of the project as it is then.
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
    def keys(self) -> Mapping[str, AssetKey]:
        """The asset key of each item, by its Starlake name."""
        return {item.full_name: self.assets.key(item) for item in self.assets.items}

    @cached_property
    def items(self) -> Mapping[str, ProjectItem]:
        """The items by their Starlake names."""
        return {item.full_name: item for item in self.assets.items}
