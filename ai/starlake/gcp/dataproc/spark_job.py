"""Describe a Starlake command as a Spark job of Dataproc."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.executor.remote.identity import step_labels
from ai.starlake.executor.remote.remote_backend import RemoteRequest
from ai.starlake.gcp.client.messages import dataproc_message
from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
from ai.starlake.job import StarlakeSparkConfig

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job

_DRIVER, _EXECUTOR = "spark.yarn.appMasterEnv.", "spark.executorEnv."


def spark_job(settings: DataprocOptions, request: RemoteRequest, job_id: str) -> Job:
    """Return the Spark job of one attempt at a command.

    The service never restarts its driver: a restarted load would find no files.

    Args:
        settings: The options of the job.
        request: The command, with the cluster as its place.
        job_id: The id of the job.

    Raises:
        StarlakeError: If a property of the Spark configuration is invalid.
    """
    execution = request.execution
    fields = {
        "reference": {"project_id": settings.dataproc_project_id, "job_id": job_id},
        "placement": {"cluster_name": request.place},
        "labels": step_labels(execution),
        "spark_job": {
            "main_class": settings.spark_job_main_class,
            "jar_file_uris": list(settings.spark_jar_list),
            "args": list(request.arguments),
            "properties": _properties(settings, request),
        },
    }
    job: Job = dataproc_message("Job", fields, "the Spark job")
    return job


def spark_config(settings: DataprocOptions, request: RemoteRequest) -> StarlakeSparkConfig:
    """Return the resources of the Spark job of a command: from code, then its compute profile, then the options."""
    options = settings.model_dump(include=_EXECUTOR_OPTIONS)
    known = request.execution.spark_config or StarlakeSparkConfig(options=options)
    return known.sized(request.compute.spark) if request.compute else known


def _properties(settings: DataprocOptions, request: RemoteRequest) -> dict[str, str]:
    own = {**_environment(request.environment), **_redaction(request.prepared.secret_names)}
    return {**_defaults(settings.spark_bucket), **own, **spark_config(settings, request).__config__()}


_EXECUTOR_OPTIONS = {"spark_executor_memory", "spark_executor_cores", "spark_executor_instances"}


def _defaults(bucket: str) -> dict[str, Any]:
    """Return the properties that Starlake requires: writing a partition replaces that partition only.

    Executors have the requested sizes. A `StarlakeSparkConfig` can override them.
    """
    return {
        "spark.hadoop.fs.defaultFS": f"gs://{bucket}",
        "spark.sql.sources.partitionOverwriteMode": "DYNAMIC",
        "spark.sql.legacy.parquet.int96RebaseModeInWrite": "CORRECTED",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.datasource.bigquery.temporaryGcsBucket": bucket,
        "spark.datasource.bigquery.allowFieldAddition": "true",
        "spark.datasource.bigquery.allowFieldRelaxation": "true",
        "spark.dynamicAllocation.enabled": "false",
        "spark.shuffle.service.enabled": "false",
    }


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the properties that set the environment of driver and executors.

    The first kind of property reaches a driver that runs in the cluster (``spark.submit.deployMode=cluster``); a driver
    on the master gets the properties of the cluster (see `StarlakeDataprocClusterConfig`).
    """
    for name in environment:
        if not name or any(character in name for character in "= \t\n"):
            raise StarlakeError(f"option sl_env_var: {name!r} cannot be the name of a variable")
    return {f"{prefix}{name}": value for prefix in (_DRIVER, _EXECUTOR) for name, value in environment.items()}


_REDACTED = "(?i)secret|password|token|access[.]?key"
"""Names of the properties whose values Spark masks, by default, in its pages, its event log and its own log."""


def _redaction(names: Iterable[str]) -> dict[str, str]:
    """Return the property that makes Spark mask variables whose names do not indicate a secret."""
    others = [name for name in sorted(names) if not re.search(_REDACTED, name)]
    return {"spark.redaction.regex": "|".join((_REDACTED, *map(re.escape, others)))} if others else {}
