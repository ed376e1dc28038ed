"""Resources of a Spark job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ai.starlake.job.job_options import StarlakeOptions

if TYPE_CHECKING:
    from ai.starlake.job.compute_sections import SparkCompute

_MEMORY, _CORES, _INSTANCES = "11g", 4, 1
_EXECUTOR_SIZES = ("executor_memory", "executor_cores", "executor_instances")


class StarlakeSparkConfig:
    """The executors of one Spark job, and further properties of it.

    Args:
        memory: Memory per executor, such as ``11g``; by default the option `spark_executor_memory`.
        cores: Cores per executor; by default the option `spark_executor_cores`.
        instances: Number of executors; by default the option `spark_executor_instances`.
        cls_options: Source of the defaults.
        options: The options of the job.
        **spark_properties: Further properties, such as ``**{"spark.driver.memory": "4g"}``.
    """

    def __init__(
        self,
        memory: str | None = None,
        cores: int | None = None,
        instances: int | None = None,
        cls_options: type[StarlakeOptions] = StarlakeOptions,
        options: Mapping[str, Any] | None = None,
        **spark_properties: Any,
    ) -> None:
        known = options or {}
        get = cls_options.get_context_var
        self.memory = str(get("spark_executor_memory", _MEMORY, known) if memory is None else memory)
        self.cores = int(get("spark_executor_cores", _CORES, known) if cores is None else cores)
        self.instances = int(get("spark_executor_instances", _INSTANCES, known) if instances is None else instances)
        self.spark_properties = dict(spark_properties)
        given = {"executor_memory": memory, "executor_cores": cores, "executor_instances": instances}
        self._given = frozenset(name for name, value in given.items() if value is not None)

    def sized(self, sizes: SparkCompute) -> StarlakeSparkConfig:
        """Return the configuration with the sizes of a compute profile in place of those of the options.

        Arguments and properties that were given stay.

        Args:
            sizes: The sizes.
        """
        wanted = {name: value for name, value in sizes.sizes.items() if name not in self._given}
        executors = {f"spark.{name.replace('_', '.')}" for name in _EXECUTOR_SIZES}
        driver = {name: value for name, value in sizes.properties.items() if name not in executors}
        made = StarlakeSparkConfig(
            str(wanted.get("executor_memory", self.memory)),
            int(wanted.get("executor_cores", self.cores)),
            int(wanted.get("executor_instances", self.instances)),
            **{**driver, **self.spark_properties},
        )
        made._given = self._given
        return made

    def __config__(self) -> dict[str, str]:
        """Return the properties of the Spark job, by their Spark names."""
        executors = {
            "spark.executor.memory": self.memory,
            "spark.executor.cores": str(self.cores),
            "spark.executor.instances": str(self.instances),
        }
        return {**executors, **{name: str(value) for name, value in self.spark_properties.items()}}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StarlakeSparkConfig) and self.__config__() == other.__config__()

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.__config__().items())))

    def __repr__(self) -> str:
        return f"StarlakeSparkConfig({self.__config__()})"
