"""Options of jobs whose commands run on Dataproc."""

from __future__ import annotations

import os
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ai.starlake.common.written_values import comma_list, json_object
from ai.starlake.gcp.client.endpoints import gs_uri
from ai.starlake.gcp.dataproc.resource_names import CLUSTER_NAME_LIMIT, is_cluster_name
from ai.starlake.gcp.exposed_secrets import warn_of_exposed
from ai.starlake.gcp.gcp_options import GcpOptions
from ai.starlake.job.job_options import Seconds

_PROJECT_VARIABLES = ("GCP_PROJECT", "GOOGLE_CLOUD_PROJECT")
_DAY = 24 * 3600


def _texts(value: Any) -> Any:
    return {name: _text(entry) for name, entry in json_object(value).items()}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _jars(value: Any) -> Any:
    jars = tuple(map(gs_uri, comma_list(value if isinstance(value, str) else ",".join(map(str, value)))))
    if not jars:
        raise ValueError("it names no jar")
    return jars


def _bucket(value: Any) -> Any:
    name = gs_uri(str(value).strip()).removeprefix("gs://").rstrip("/")
    if not name or "/" in name:
        raise ValueError("it is not the name of a bucket")
    return name


def _cluster_name(value: Any) -> Any:
    if not is_cluster_name(str(value)):
        raise ValueError(f"a name has at most {CLUSTER_NAME_LIMIT} of a-z, 0-9 and -, and begins with a letter")
    return str(value)


def _nothing_for_empty(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


JsonObject = Annotated[dict[str, Any], BeforeValidator(json_object)]
JsonTexts = Annotated[dict[str, str], BeforeValidator(_texts)]
Jars = Annotated[tuple[str, ...], BeforeValidator(_jars)]
Bucket = Annotated[str, BeforeValidator(_bucket)]
ClusterName = Annotated[str, BeforeValidator(_cluster_name)]
Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=10)]
IdleTtl = Annotated[int, Field(ge=300, le=14 * _DAY)]
AutoTtl = Annotated[int, Field(ge=600, le=14 * _DAY)]
SecondsOrNone = Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_nothing_for_empty)]


class DataprocMachineOptions(GcpOptions):
    """Options that describe the machines of a cluster."""

    dataproc_master_machine_type: Name = Field(default="n1-standard-4", description="the master's machine type")
    dataproc_master_disk_type: Name = Field(default="pd-standard", description="the type of the master's disk")
    dataproc_master_disk_size: Size = Field(default=500, description="the size of the master's disk, in GB")
    dataproc_worker_machine_type: Name = Field(default="n1-standard-4", description="the workers' machine type")
    dataproc_worker_disk_type: Name = Field(default="pd-standard", description="the type of the workers' disks")
    dataproc_worker_disk_size: Size = Field(default=500, description="the size of the workers' disks, in GB")
    dataproc_num_workers: Count = Field(default=4, description="the number of workers; 0 makes a single-node cluster")
    dataproc_num_secondary_workers: Count = Field(default=0, description="the number of secondary (spot) workers")
    cluster_config_name: Name | None = Field(
        default=None, description="argument of the hooks get_dataproc_*_config; the DAG file by default"
    )


class DataprocClusterOptions(DataprocMachineOptions):
    """Options that describe a cluster."""

    cluster_id: Name | None = Field(
        default=None, description="a part of the cluster's name; the name of the DAG file by default"
    )
    dataproc_name: Name = Field(default="dataproc-cluster", description="the first part of the cluster's name")
    dataproc_cluster_name: ClusterName | None = Field(
        default=None,
        description="the whole name of a cluster that runs share; such a cluster is deleted only by a run that made it",
    )
    dataproc_project_id: Name = Field(description="the project; by default the value of the variable GCP_PROJECT")
    dataproc_region: Name = Field(default="europe-west1", description="the region")
    dataproc_subnet: Name = Field(
        default="default", description="the subnet: its name, or its URI when it belongs to another project"
    )
    dataproc_service_account: str | None = Field(
        default=None,
        description="the service account of the machines; the default account of Compute Engine by default",
    )
    dataproc_image_version: Name = Field(default="2.2-debian12", description="the image of the machines")
    dataproc_single_node: bool | None = Field(
        default=None, description="let the master do the work alone; by default if there are no workers"
    )
    dataproc_idle_delete_ttl: IdleTtl = Field(
        default=3600, description="seconds without work after which Google deletes the cluster (300 to 1209600)"
    )
    dataproc_auto_delete_ttl: AutoTtl = Field(
        default=_DAY, description="age in seconds at which Google deletes the cluster, even at work (600 to 1209600)"
    )
    dataproc_autoscaling_policy: Name | None = Field(
        default=None, description="the autoscaling policy: its id in the region, or its URI"
    )
    dataproc_cluster_metadata: JsonTexts = Field(default={}, description="metadata of the machines, as a JSON object")
    dataproc_cluster_properties: JsonTexts = Field(
        default={}, description="properties of the cluster, such as `spark:spark.executor.cores`, as a JSON object"
    )
    dataproc_cluster_labels: JsonTexts = Field(default={}, description="labels of the cluster, as a JSON object")
    dataproc_cluster_config: JsonObject = Field(
        default={},
        description="further fields of Dataproc's ClusterConfig, as a JSON object that is laid over all the rest",
    )
    spark_bucket: Bucket | None = Field(
        default=None, description="the bucket for the output of drivers, for Spark, and for BigQuery's temporary files"
    )

    @classmethod
    def _completed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return the options with the project of the environment."""
        named = next(filter(None, map(os.environ.get, _PROJECT_VARIABLES)), None)
        own = {"dataproc_project_id": named} if named else {}
        return super()._completed({**own, **given})


class DataprocOptions(DataprocClusterOptions):
    """Options of `StarlakeDagsterDataprocJob` and `StarlakeAirflowDataprocJob`."""

    spark_jar_list: Jars = Field(description="the jars of Starlake and of what it needs, separated by commas")
    spark_bucket: Bucket = Field(
        description="the bucket for the output of drivers, for Spark, and for BigQuery's temporary files"
    )
    spark_job_main_class: Name = Field(default="ai.starlake.job.Main", description="the main class of the Spark job")
    dataproc_create_timeout: Seconds = Field(
        default=1800, description="timeout for the creation of a cluster, in seconds"
    )
    dataproc_job_wait_timeout: SecondsOrNone = Field(
        default=None,
        description="seconds after which a Spark job is cancelled; by default it may run until its cluster is deleted",
    )
    dataproc_impersonate_service_account: str | None = Field(
        default=None, description="the service account on whose behalf Dataproc and Cloud Storage are called"
    )
    dataproc_endpoint: str | None = Field(
        default=None, description="the address of Dataproc; `http://...` is called in the clear, as an emulator is"
    )

    def _check(self) -> None:
        """Warn about secrets that everyone who may view Spark jobs can read."""
        super()._check()
        warn_of_exposed(
            self.environment,
            "whoever may view the Spark jobs of the project (dataproc.jobs.get) can read it in their properties",
            "let the service account of the cluster read it (roles/secretmanager.secretAccessor), set the variable on"
            " the cluster, as an initialization action can, and remove it from sl_env_var; or restrict who sees jobs",
        )

    @property
    def impersonated(self) -> str | None:
        """The service account to impersonate on Google Cloud."""
        return self.dataproc_impersonate_service_account or None
