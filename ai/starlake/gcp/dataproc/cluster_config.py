"""The configuration of a Dataproc cluster."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError, names_a_secret
from ai.starlake.gcp.client.endpoints import gs_uri
from ai.starlake.gcp.client.messages import dataproc_message, merged
from ai.starlake.gcp.dataproc.dataproc_options import DataprocClusterOptions
from ai.starlake.gcp.dataproc.machine_config import (
    DagModule,
    GivenOptions,
    StarlakeDataprocMasterConfig,
    StarlakeDataprocWorkerConfig,
    shape_fields,
)
from ai.starlake.gcp.dataproc.resource_names import OUR_LABELS
from ai.starlake.job import StarlakeOptions
from ai.starlake.job.compute_sections import DataprocCompute

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import ClusterConfig

_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_PROPERTIES = {
    "dataproc:dataproc.logging.stackdriver.job.driver.enable": "true",
    "dataproc:dataproc.logging.stackdriver.job.yarn.container.enable": "true",
}
"""Sends the logs of drivers and executors to Cloud Logging, where they outlive the cluster."""


class StarlakeDataprocClusterConfig(StarlakeOptions):
    """Configuration of the cluster of a job. Options, listed in docs/dataproc.md, supply the missing arguments.

    Args:
        cluster_id: A part of the cluster's name.
        dataproc_name: The first part of the cluster's name.
        master_config: The master.
        worker_config: The workers.
        secondary_worker_config: The secondary workers; none by default.
        idle_delete_ttl: Seconds without work after which Google deletes the cluster, 300 to 1209600.
        single_node: True if the cluster consists of the master alone; by default if there are no workers.
        options: The options of the job.
        auto_delete_ttl: Seconds of age at which Google deletes the cluster, 600 to 1209600.
        **cluster_properties: Properties of the cluster, such as ``**{"spark:spark.sql.shuffle.partitions": "64"}``.

    Raises:
        StarlakeError: If an option or a field is unknown, of the wrong type or out of range, or the project is missing.
        MissingExtraError: If google-cloud-dataproc is not installed.
    """

    def __init__(
        self,
        cluster_id: str | None = None,
        dataproc_name: str | None = None,
        master_config: StarlakeDataprocMasterConfig | None = None,
        worker_config: StarlakeDataprocWorkerConfig | None = None,
        secondary_worker_config: StarlakeDataprocWorkerConfig | None = None,
        idle_delete_ttl: int | None = None,
        single_node: bool | None = None,  # noqa: FBT001  the position is part of the public contract
        options: GivenOptions | None = None,
        *,
        auto_delete_ttl: int | None = None,
        **cluster_properties: Any,
    ) -> None:
        self.settings = DataprocClusterOptions.over(
            options,
            cluster_id=cluster_id,
            dataproc_name=dataproc_name,
            dataproc_idle_delete_ttl=idle_delete_ttl,
            dataproc_auto_delete_ttl=auto_delete_ttl,
            dataproc_single_node=single_node,
        )
        self.master_config = master_config or StarlakeDataprocMasterConfig(options=self.settings)
        self.worker_config = worker_config or StarlakeDataprocWorkerConfig(options=self.settings)
        self.secondary_worker_config = secondary_worker_config or self._secondary()
        self.single_node = self._is_single_node()
        self._given_properties = dict(cluster_properties)
        self.cluster_properties = self._properties(cluster_properties)
        self.labels = _checked_labels(self.settings.dataproc_cluster_labels)
        _ = self.message  # a typo is an error now, not when the cluster is created

    @classmethod
    def from_module(cls, filename: str, module_name: str, options: GivenOptions) -> StarlakeDataprocClusterConfig:
        """Return the configuration that a DAG file defines by its hooks and its globals.

        The hooks are ``get_dataproc_master_config``, ``get_dataproc_worker_config`` and
        ``get_dataproc_secondary_worker_config``; they are called with the option `cluster_config_name`, by default the
        name of the file. The globals are ``cluster_id``, ``dataproc_name``, ``dataproc_idle_delete_ttl``,
        ``dataproc_single_node``, ``dataproc_cluster_properties``, and those of the machines; they take precedence over
        the options of the same name.

        Args:
            filename: The DAG file.
            module_name: The name of its module.
            options: The options of the job.

        Raises:
            StarlakeError: If an option or a global has an invalid value.
        """
        settings = DataprocClusterOptions.over(options)
        module = DagModule(filename, module_name, settings.cluster_config_name)
        return cls(
            cluster_id=module.get("cluster_id") or settings.cluster_id or module.config_name or None,
            dataproc_name=module.get("dataproc_name"),
            master_config=StarlakeDataprocMasterConfig.from_module(filename, module_name, settings),
            worker_config=StarlakeDataprocWorkerConfig.from_module(filename, module_name, settings),
            secondary_worker_config=module.call("get_dataproc_secondary_worker_config", StarlakeDataprocWorkerConfig),
            idle_delete_ttl=module.get("dataproc_idle_delete_ttl"),
            single_node=module.get("dataproc_single_node"),
            options=settings,
            **module.mapping("dataproc_cluster_properties"),
        )

    def sized(self, shape: DataprocCompute) -> StarlakeDataprocClusterConfig:
        """Return the configuration with the shape of a compute profile, which takes precedence.

        Args:
            shape: The shape; sizes that it leaves out stay unchanged.

        Raises:
            StarlakeError: If Dataproc allows no such cluster.
        """
        sizes = shape.sizes
        if not sizes:
            return self
        workers, others = sizes.get("num_workers"), sizes.get("num_secondary_workers")
        single = self.single_node if workers is None else workers == 0
        laid_over = merged(self.settings.dataproc_cluster_config, shape_fields(sizes, single_node=single))
        settings = DataprocClusterOptions.over(
            self.settings,
            dataproc_single_node=single,
            dataproc_num_secondary_workers=others,
            dataproc_cluster_config=laid_over,
        )
        return StarlakeDataprocClusterConfig(
            master_config=self.master_config,
            worker_config=self.worker_config if workers is None else self.worker_config.counted(workers),
            secondary_worker_config=None if others is not None else self.secondary_worker_config,
            options=settings,
            **self._given_properties,
        )

    @property
    def project_id(self) -> str:
        """The project."""
        return self.settings.dataproc_project_id

    @property
    def region(self) -> str:
        """The region."""
        return self.settings.dataproc_region

    @property
    def cluster_id(self) -> str | None:
        """A part of the cluster's name."""
        return self.settings.cluster_id

    @property
    def dataproc_name(self) -> str:
        """The first part of the cluster's name."""
        return self.settings.dataproc_name

    @property
    def cluster_name(self) -> str | None:
        """The name of a cluster that runs share; None if each run has its own."""
        return self.settings.dataproc_cluster_name

    @cached_property
    def message(self) -> ClusterConfig:
        """The configuration as a Dataproc message."""
        config: ClusterConfig = dataproc_message("ClusterConfig", self.__config__(), "the Dataproc cluster")
        return config

    def __config__(self, **cluster_properties: Any) -> dict[str, Any]:
        """Return the fields of Dataproc's ``ClusterConfig``.

        They are valid for the message and, field names aside, for JSON: a duration is a string such as ``3600s``, the
        only form that JSON has for it.

        Args:
            **cluster_properties: Further properties of the cluster.
        """
        settings = self.settings
        config: dict[str, Any] = {
            "gce_cluster_config": self._machines_in_common(),
            "master_config": self.master_config.__config__(),
            "software_config": {
                "image_version": settings.dataproc_image_version,
                "properties": {**self.cluster_properties, **_texts(cluster_properties)},
            },
            "lifecycle_config": {
                "idle_delete_ttl": f"{settings.dataproc_idle_delete_ttl}s",
                "auto_delete_ttl": f"{settings.dataproc_auto_delete_ttl}s",
            },
        }
        if not self.single_node:
            config["worker_config"] = self.worker_config.__config__()
        if self.secondary_worker_config:
            config["secondary_worker_config"] = self.secondary_worker_config.__config__()
        if settings.spark_bucket:
            config["config_bucket"] = settings.spark_bucket
        if settings.dataproc_autoscaling_policy:
            config["autoscaling_config"] = {"policy_uri": self._policy(settings.dataproc_autoscaling_policy)}
        return merged(config, settings.dataproc_cluster_config)

    def _machines_in_common(self) -> dict[str, Any]:
        settings = self.settings
        subnet = settings.dataproc_subnet
        home = f"projects/{self.project_id}/regions/{self.region}"
        common: dict[str, Any] = {
            "subnetwork_uri": subnet if "/" in subnet else f"{home}/subnetworks/{subnet}",
            "service_account_scopes": ["https://www.googleapis.com/auth/cloud-platform"],
            "internal_ip_only": True,
            "metadata": settings.dataproc_cluster_metadata,
        }
        if self.settings.dataproc_service_account:
            common["service_account"] = self.settings.dataproc_service_account
        return common

    def _policy(self, policy: str) -> str:
        home = f"projects/{self.project_id}/regions/{self.region}/autoscalingPolicies"
        return policy if "/" in policy else f"{home}/{policy}"

    def _secondary(self) -> StarlakeDataprocWorkerConfig | None:
        count = self.settings.dataproc_num_secondary_workers
        return StarlakeDataprocWorkerConfig(num_instances=count, options=self.settings) if count else None

    def _is_single_node(self) -> bool:
        workers = self.worker_config.num_instances
        asked = self.settings.dataproc_single_node
        if asked is False and workers == 0:
            raise StarlakeError(
                "option dataproc_single_node is False, and option dataproc_num_workers is 0",
                fix="say how many workers there are, or leave dataproc_single_node out",
            )
        single = workers == 0 if asked is None else asked
        if single and self.secondary_worker_config:
            raise StarlakeError(
                "a cluster of a single node cannot have secondary workers",
                fix="set dataproc_num_workers to 2 or more, or dataproc_num_secondary_workers to 0",
            )
        return single

    def _properties(self, given: Mapping[str, Any]) -> dict[str, str]:
        own = {**_PROPERTIES, **self._environment()}
        if self.single_node:
            own["dataproc:dataproc.allow.zero.workers"] = "true"
        return {**own, **self.settings.dataproc_cluster_properties, **_texts(given)}

    def _environment(self) -> dict[str, str]:
        """Return the environment of Spark drivers, which a job cannot set where Dataproc runs them by default.

        The values become part of the shell script spark-env.sh. Values that a shell might interpret are left out, and
        so are secrets, because everyone who sees the cluster sees its properties.
        """
        texts = {name: gs_uri(value) for name, value in self.settings.environment.items() if isinstance(value, str)}
        plain = {"SL_API": "true", **texts}
        return {
            f"spark-env:{name}": value
            for name, value in plain.items()
            if _VARIABLE.fullmatch(name) and value and shlex.quote(value) == value and not names_a_secret(name)
        }

    def __repr__(self) -> str:
        return f"StarlakeDataprocClusterConfig({self.__config__()})"


def _texts(properties: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in properties.items()}


def _checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise StarlakeError(
                f"option dataproc_cluster_labels: {key}={value} is not a valid label",
                fix="use at most 63 lower-case letters, digits, underscores and hyphens",
            )
        if key in OUR_LABELS:
            raise StarlakeError(
                f"option dataproc_cluster_labels: {key} says which run a cluster belongs to", fix="choose another key"
            )
    return dict(labels)
