"""The machines of a Dataproc cluster."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, TypeVar

from ai.starlake.common import StarlakeError
from ai.starlake.gcp.client.messages import dataproc_message, merged
from ai.starlake.gcp.dataproc.dataproc_options import DataprocMachineOptions
from ai.starlake.job import StarlakeOptions

GivenOptions = Mapping[str, Any] | DataprocMachineOptions
"""The options of a job, validated already or as the user gave them."""

MachineT = TypeVar("MachineT", bound="StarlakeDataprocMachineConfig")


class StarlakeDataprocMachineConfig(StarlakeOptions):
    """A group of identical machines.

    Args:
        num_instances: Number of machines.
        machine_type: Type of the machines.
        disk_type: Type of their boot disks.
        disk_size: Size of their boot disks in GB.
        **properties: Further fields of Dataproc's ``InstanceGroupConfig``, laid over the others.

    Raises:
        StarlakeError: If a field is unknown or of the wrong type.
        MissingExtraError: If google-cloud-dataproc is not installed.
    """

    def __init__(
        self, num_instances: int, machine_type: str, disk_type: str, disk_size: int, **properties: Any
    ) -> None:
        self.num_instances = num_instances
        self.machine_type = machine_type
        self.disk_type = disk_type
        self.disk_size = disk_size
        self.properties = properties
        dataproc_message("InstanceGroupConfig", self.__config__(), f"{type(self).__name__}")

    def __config__(self) -> dict[str, Any]:
        """Return the fields of ``InstanceGroupConfig``."""
        own = {
            "num_instances": self.num_instances,
            "machine_type_uri": self.machine_type,
            "disk_config": {"boot_disk_type": self.disk_type, "boot_disk_size_gb": self.disk_size},
        }
        return merged(own, self.properties)


class StarlakeDataprocMasterConfig(StarlakeDataprocMachineConfig):
    """The master of a cluster; options supply the arguments that are not given.

    Args:
        machine_type: The option `dataproc_master_machine_type` by default.
        disk_type: The option `dataproc_master_disk_type` by default.
        disk_size: In GB; the option `dataproc_master_disk_size` by default.
        options: The options of the job.
        **properties: Further fields of ``InstanceGroupConfig``; ``num_instances=3`` makes the master highly available.

    Raises:
        StarlakeError: If a value is invalid.
    """

    def __init__(
        self,
        machine_type: str | None = None,
        disk_type: str | None = None,
        disk_size: int | None = None,
        options: GivenOptions | None = None,
        **properties: Any,
    ) -> None:
        given = {
            "dataproc_master_machine_type": machine_type,
            "dataproc_master_disk_type": disk_type,
            "dataproc_master_disk_size": disk_size,
        }
        read = DataprocMachineOptions.over(options, **given)
        super().__init__(
            properties.pop("num_instances", 1),
            read.dataproc_master_machine_type,
            read.dataproc_master_disk_type,
            read.dataproc_master_disk_size,
            **properties,
        )

    @classmethod
    def from_module(cls, filename: str, module_name: str, options: GivenOptions) -> StarlakeDataprocMasterConfig:
        """Return the master that a DAG file defines.

        Its hook ``get_dataproc_master_config(name, **dataproc_master_properties)`` is used, else its globals
        ``dataproc_master_machine_type``, ``dataproc_master_disk_type`` and ``dataproc_master_disk_size``.

        Args:
            filename: Path of the DAG file.
            module_name: Name of the module of the DAG file.
            options: Options of the job, which apply where the DAG file is silent.

        Raises:
            StarlakeError: If an option or a global has an invalid value.
        """
        settings = DataprocMachineOptions.over(options)
        module = DagModule(filename, module_name, settings.cluster_config_name)
        properties = module.mapping("dataproc_master_properties")
        made = module.call("get_dataproc_master_config", StarlakeDataprocMasterConfig, **properties)
        return made or cls(
            module.get("dataproc_master_machine_type"),
            module.get("dataproc_master_disk_type"),
            module.get("dataproc_master_disk_size"),
            settings,
            **properties,
        )


class StarlakeDataprocWorkerConfig(StarlakeDataprocMachineConfig):
    """The workers of a cluster; options supply the arguments that are not given.

    Args:
        num_instances: The option `dataproc_num_workers` by default.
        machine_type: The option `dataproc_worker_machine_type` by default.
        disk_type: The option `dataproc_worker_disk_type` by default.
        disk_size: In GB; the option `dataproc_worker_disk_size` by default.
        options: The options of the job.
        **properties: Further fields of ``InstanceGroupConfig``, such as ``preemptibility`` for secondary workers.

    Raises:
        StarlakeError: If a value is invalid.
    """

    def __init__(
        self,
        num_instances: int | None = None,
        machine_type: str | None = None,
        disk_type: str | None = None,
        disk_size: int | None = None,
        options: GivenOptions | None = None,
        **properties: Any,
    ) -> None:
        given = {
            "dataproc_num_workers": num_instances,
            "dataproc_worker_machine_type": machine_type,
            "dataproc_worker_disk_type": disk_type,
            "dataproc_worker_disk_size": disk_size,
        }
        read = DataprocMachineOptions.over(options, **given)
        super().__init__(
            read.dataproc_num_workers,
            read.dataproc_worker_machine_type,
            read.dataproc_worker_disk_type,
            read.dataproc_worker_disk_size,
            **properties,
        )

    def counted(self, num_instances: int) -> StarlakeDataprocWorkerConfig:
        """Return the same machines in another number.

        Args:
            num_instances: Number of workers.

        Raises:
            StarlakeError: If the number is negative.
        """
        return StarlakeDataprocWorkerConfig(
            num_instances, self.machine_type, self.disk_type, self.disk_size, **self.properties
        )

    @classmethod
    def from_module(cls, filename: str, module_name: str, options: GivenOptions) -> StarlakeDataprocWorkerConfig:
        """Return the workers that a DAG file defines.

        Its hook ``get_dataproc_worker_config(name, **dataproc_worker_properties)`` is used, else its globals
        ``dataproc_worker_num_instances``, ``..._machine_type``, ``..._disk_type`` and ``..._disk_size``.

        Args:
            filename: Path of the DAG file.
            module_name: Name of the module of the DAG file.
            options: Options of the job, which apply where the DAG file is silent.

        Raises:
            StarlakeError: If an option or a global has an invalid value.
        """
        settings = DataprocMachineOptions.over(options)
        module = DagModule(filename, module_name, settings.cluster_config_name)
        properties = module.mapping("dataproc_worker_properties")
        made = module.call("get_dataproc_worker_config", StarlakeDataprocWorkerConfig, **properties)
        return made or cls(
            module.get("dataproc_worker_num_instances"),
            module.get("dataproc_worker_machine_type"),
            module.get("dataproc_worker_disk_type"),
            module.get("dataproc_worker_disk_size"),
            settings,
            **properties,
        )


_FIELDS = {
    "machine_type": ("machine_type_uri",),
    "disk_type": ("disk_config", "boot_disk_type"),
    "disk_size": ("disk_config", "boot_disk_size_gb"),
}


def shape_fields(sizes: Mapping[str, Any], *, single_node: bool) -> dict[str, Any]:
    """Return the fields of Dataproc's ``ClusterConfig`` for the sizes of a profile.

    Args:
        sizes: The sizes of a compute profile, such as ``{"worker_machine_type": "n1-standard-8"}``.
        single_node: True if the cluster has no workers.
    """
    fields: dict[str, Any] = {}
    for group in ("master",) if single_node else ("master", "worker"):
        for name, path in _FIELDS.items():
            if (size := sizes.get(f"{group}_{name}")) is not None:
                for part in reversed(path):
                    size = {part: size}
                fields = merged(fields, {f"{group}_config": size})
    if sizes.get("num_workers"):
        fields = merged(fields, {"worker_config": {"num_instances": sizes["num_workers"]}})
    return fields


class DagModule:
    """Globals and hooks by which a DAG file defines its cluster.

    Args:
        filename: The file.
        module_name: The name of its module.
        config_name: Argument of the hooks; the name of the file by default.
    """

    def __init__(self, filename: str, module_name: str, config_name: str | None) -> None:
        self._globals: Mapping[str, Any] = vars(sys.modules[module_name]) if module_name in sys.modules else {}
        self.module_name = module_name
        self.config_name = config_name or PurePath(filename or "").stem.lower()

    def get(self, name: str) -> Any:
        """Return the value of a global; None if it does not exist."""
        return self._globals.get(name)

    def mapping(self, name: str) -> dict[str, Any]:
        """Return the value of a global that is a mapping; an empty one if it does not exist.

        Raises:
            StarlakeError: If it is not a mapping.
        """
        value = self._globals.get(name) or {}
        if not isinstance(value, Mapping):
            raise StarlakeError(
                f"{name} of {self.module_name} is not a mapping", cause=f"it is a {type(value).__name__}"
            )
        return dict(value)

    def call(self, hook: str, kind: type[MachineT], **properties: Any) -> MachineT | None:
        """Return the result of a hook; None if there is no hook or it returns None.

        Raises:
            StarlakeError: If it returns a value of another type.
        """
        function = self._globals.get(hook)
        made = function(self.config_name, **properties) if callable(function) else None
        if made is not None and not isinstance(made, kind):
            raise StarlakeError(
                f"{hook} of {self.module_name} returned a {type(made).__name__}", fix=f"return a {kind.__name__}"
            )
        return made
