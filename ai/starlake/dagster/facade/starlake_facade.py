"""A Starlake project that another scheduler runs, as Dagster assets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any

from dagster import Definitions

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.assets.asset_build import AssetBuild
from ai.starlake.dagster.assets.automation.freshness_checks import freshness_checks, freshness_sensor
from ai.starlake.dagster.assets.translated_project import AnyProject, Prefix
from ai.starlake.dagster.facade.audit_checks import audit_checks
from ai.starlake.dagster.facade.external_assets import external_assets
from ai.starlake.dagster.facade.facade_arguments import check_host, check_interval, port_of
from ai.starlake.dagster.facade.facade_build import FacadeBuild, FacadeSettings, Mirror
from ai.starlake.dagster.facade.mirror_job import mirror_job
from ai.starlake.dagster.facade.mirroring.log_links import LogLinks
from ai.starlake.dagster.facade.sync_job import sync_job
from ai.starlake.dagster.facade.track_sensor import track_sensor
from ai.starlake.dagster.named_jobs import named_job
from ai.starlake.job import JobOptions
from ai.starlake.orchestration.outside import TrackingOptions
from ai.starlake.project.assets.starlake_project import StarlakeProject
from ai.starlake.project.audit import open_audit

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator
    from ai.starlake.dagster.facade.facade_build import Audit
    from ai.starlake.project.assets.item_selection import Words

_MIRRORS = ("runs", "events", None)
_ARGUMENTS = frozenset({"group_seconds", "settle_seconds", "lateness_seconds", "ignore_job_ids"})
_TRACKING = frozenset(TrackingOptions.model_fields) - frozenset(JobOptions.model_fields)
_NEAR = 0.8
_DEFAULT = "default"


class StarlakeDagsterFacade:
    """A Starlake project whose loads and transforms another scheduler runs: Dagster shows them, and reacts to them.

    Creating one reads nothing, and connects to nothing.

    Args:
        project: The project, or its folder.
        audit: The database of its audit: a DuckDB file, or an SQLAlchemy URL such as
            ``postgresql+psycopg://reader@host/warehouse``. A reference to a secret stands for a URL with a password.
        dagster_graphql_host: The host of Dagster's webserver, such as ``localhost``. With it, the code location reloads
            when the project changes.
        dagster_graphql_port: Its port.
        dagster_graphql_kwargs: Further arguments of `DagsterGraphQLClient`.
        timezone: The time zone of the audit's timestamps: that of the JVM that Starlake runs in. The embedded engine
            writes UTC.
        group_seconds: If each file has a JOBID of its own, rows that follow each other within this time are one run.
        settle_seconds: Seconds without new rows before a run is mirrored.
        lateness_seconds: Seconds until a row is visible in the audit.
        ignore_job_ids: A regular expression: runs whose JOBID it matches as a whole are not mirrored.
        log_url_template: The link to the log of a run, with ``{job_id}``, ``{domain}``, ``{table}`` and ``{date}``.
        interval_seconds: Seconds between two ticks of the sensor.
        code_location: The name of the code location to reload; that of the sensor by default.
        options: Options of assets, such as ``start_date`` and ``partitions``.

    Raises:
        StarlakeError: If an argument has an invalid value.
    """

    def __init__(
        self,
        project: AnyProject,
        audit: Audit,
        dagster_graphql_host: str | None = None,
        dagster_graphql_port: int | None = None,
        dagster_graphql_kwargs: Mapping[str, Any] | None = None,
        *,
        timezone: str = "UTC",
        group_seconds: float = 120,
        settle_seconds: float = 60,
        lateness_seconds: float = 3600,
        ignore_job_ids: str | None = None,
        log_url_template: str | None = None,
        interval_seconds: int = 30,
        code_location: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.project = project if isinstance(project, StarlakeProject) else StarlakeProject(project)
        given = dict(options or {})
        _check_tracking(given)
        check_host(dagster_graphql_host)
        check_interval(interval_seconds)
        self._options = {name: value for name, value in given.items() if name not in _TRACKING}
        open_audit(audit, timezone=timezone)  # it reads nothing, and refuses what it cannot open
        self.settings = FacadeSettings(
            audit=audit,
            tracking=TrackingOptions.over(
                given,
                group_seconds=group_seconds,
                settle_seconds=settle_seconds,
                lateness_seconds=lateness_seconds,
                ignore_job_ids=ignore_job_ids,
            ),
            links=LogLinks(log_url_template),
            timezone=timezone,
            interval_seconds=interval_seconds,
            code_location=code_location,
            graphql_host=dagster_graphql_host,
            graphql_port=port_of(dagster_graphql_port),
            graphql_kwargs=dict(dagster_graphql_kwargs or {}),
        )

    def create_definitions(
        self,
        environment: str | None = None,
        asset_prefix: Prefix | None = None,
        enable_sensor_by_default: bool = True,  # noqa: FBT001, FBT002  part of the public contract
        *,
        mirror: Mirror | None = "runs",
        translator: DagsterStarlakeTranslator | None = None,
        select: Words | None = None,
        exclude: Words | None = None,
        name: str = "starlake",
    ) -> Definitions:
        """Return external assets with their checks, the jobs and the sensor; merge it by `Definitions.merge`.

        No network or database is accessed.

        Args:
            environment: Selects ``env.{environment}.sl.yml`` of the project, and is part of the names of jobs and
                sensor. By default that of ``SL_ENV``, else ``default``, which selects no file.
            asset_prefix: Prefix of the keys of all assets that the project makes.
            enable_sensor_by_default: True if the sensor runs by default.
            mirror: ``runs`` to show each outside run as a Dagster run, ``events`` to record its outcomes without one;
                None for neither, and no sensor.
            translator: Creates the specs of assets and checks.
            select: The tables and tasks to include; all by default.
            exclude: The tables and tasks to exclude.
            name: Prefix of the names of jobs and sensor.

        Raises:
            StarlakeError: If a file of the project cannot be used, if two items have one key, if a selection matches
                nothing, or if `mirror` has another value.
        """
        if mirror not in _MIRRORS:
            raise StarlakeError(f"mirror is {mirror!r}", fix="use 'runs', 'events' or None")
        chosen = environment or self.project.env or os.environ.get("SL_ENV") or None
        project = StarlakeProject(self.project.root, env=chosen, options=self.project.options)
        build = FacadeBuild(
            settings=self.settings,
            assets=AssetBuild.of(
                project,
                named_job("shell", self._options),  # it runs nothing, and only holds the options
                translator=translator,
                select=select,
                exclude=exclude,
                asset_prefix=asset_prefix,
                name=f"{name}_{chosen or _DEFAULT}",
                overrides={"automation": "none"},  # nothing of it is materialized here
            ),
            environment=chosen or _DEFAULT,
            mirror=mirror,
            sensor_runs=enable_sensor_by_default,
            name=name,
            remake=partial(
                self.create_definitions,
                environment,
                asset_prefix,
                mirror=mirror,
                translator=translator,
                select=select,
                exclude=exclude,
                name=name,
            ),
        )
        return _definitions(build)


def _definitions(build: FacadeBuild) -> Definitions:
    sync, mirror = sync_job(build), mirror_job(build) if build.mirror == "runs" else None
    fresh = freshness_checks(build.assets)  # on versions of Dagster without policies
    return Definitions(
        assets=external_assets(build),
        asset_checks=[*audit_checks(build), *fresh],
        jobs=[job for job in (sync, mirror) if job is not None],
        sensors=[
            *([track_sensor(build, sync, mirror)] if build.mirror else []),
            *freshness_sensor(build.assets, fresh),
        ],
    )


def _check_tracking(options: Mapping[str, Any]) -> None:
    """Check that the names of tracking options are correct, and that each is given once.

    Raises:
        StarlakeError: If one is misspelled, or is an argument of the facade.
    """
    for name in options:
        if name in _ARGUMENTS:
            raise StarlakeError(f"option {name} is an argument of the facade", fix=f"pass {name}=... beside options")
        near = get_close_matches(name, _TRACKING, n=1, cutoff=_NEAR)
        if name not in _TRACKING and near:
            raise StarlakeError(f"option {name} is not known", fix=f"did you mean {near[0]}?")
