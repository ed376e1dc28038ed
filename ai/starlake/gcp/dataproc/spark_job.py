"""A command of Starlake as a Spark job of Dataproc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.executor.protocol import Execution
from ai.starlake.gcp.client.messages import dataproc_message
from ai.starlake.gcp.dataproc.options_dataproc import DataprocOptions
from ai.starlake.gcp.dataproc.resource_names import (
    LABEL_ATTEMPT_RUN,
    LABEL_STEP,
    RunIdentity,
    label_value,
    spark_job_id,
)
from ai.starlake.gcp.remote_call import RemoteCall
from ai.starlake.job import StarlakeSparkConfig

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job

_DRIVER, _EXECUTOR = "spark.yarn.appMasterEnv.", "spark.executorEnv."


def step_labels(execution: Execution) -> dict[str, str]:
    """What marks the Spark jobs of a step, in this run and in those that re-execute it."""
    return {
        **RunIdentity.of(execution).labels,
        LABEL_ATTEMPT_RUN: label_value(execution.run_id),
        LABEL_STEP: label_value(execution.step_key),
    }


def arguments_of(call: RemoteCall) -> list[str]:
    """The arguments of the Spark job of a command."""
    return list(call.argv)


def spark_job(settings: DataprocOptions, call: RemoteCall, execution: Execution, cluster: str) -> Job:
    """Describes the Spark job of one attempt at a command.

    The service never restarts its driver: a load that is started again by itself would find its files gone.

    Args:
        settings: The options of the job.
        call: The command and its environment.
        execution: The attempt.
        cluster: The name of the cluster.

    Raises:
        StarlakeError: If a property of the Spark configuration is none.
    """
    arguments = arguments_of(call)
    fields = {
        "reference": {
            "project_id": settings.dataproc_project_id,
            "job_id": spark_job_id(execution.step_key, execution.run_id, execution.attempt, arguments),
        },
        "placement": {"cluster_name": cluster},
        "labels": step_labels(execution),
        "spark_job": {
            "main_class": settings.spark_job_main_class,
            "jar_file_uris": list(settings.spark_jar_list),
            "args": arguments,
            "properties": _properties(settings, call.environment, execution.spark_config),
        },
    }
    job: Job = dataproc_message("Job", fields, "the Spark job")
    return job


def _properties(
    settings: DataprocOptions, environment: Mapping[str, str], config: StarlakeSparkConfig | None
) -> dict[str, str]:
    known = config or StarlakeSparkConfig(options=settings.model_dump(include=_EXECUTOR_OPTIONS))
    return {**_defaults(settings.spark_bucket), **_environment(environment), **known.__config__()}


_EXECUTOR_OPTIONS = {"spark_executor_memory", "spark_executor_cores", "spark_executor_instances"}


def _defaults(bucket: str) -> dict[str, Any]:
    """What Starlake needs of Spark: a partition that is written replaces that partition only; executors as asked for.

    A `StarlakeSparkConfig` may say otherwise.
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
    """The environment of driver and executors.

    The first kind of property reaches a driver that runs in the cluster (``spark.submit.deployMode=cluster``); one that
    runs on the master gets what the properties of the cluster hold (see `StarlakeDataprocClusterConfig`).
    """
    for name in environment:
        if not name or any(character in name for character in "= \t\n"):
            raise StarlakeError(f"option sl_env_var: {name!r} cannot be the name of a variable")
    return {f"{prefix}{name}": value for prefix in (_DRIVER, _EXECUTOR) for name, value in environment.items()}
