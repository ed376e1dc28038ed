"""The abstract job factory and its parts: options, pre-load strategies, Spark configurations, commands."""

from typing import TYPE_CHECKING

from ai.starlake.common.lazy_names import lazy_names
from ai.starlake.common.secrets import EnvironmentReference, FileReference, SecretReference
from ai.starlake.job.cli_versions import StarlakeCli
from ai.starlake.job.command import StarlakeCommand
from ai.starlake.job.job_factory import StarlakeJobFactory
from ai.starlake.job.job_options import JobOptions, StarlakeOptions, StarlakeOptionWarning
from ai.starlake.job.names import StarlakeExecutionEnvironment, StarlakeExecutionMode, StarlakeOrchestrator, TaskType
from ai.starlake.job.pre_load_strategy import StarlakePreLoadStrategy
from ai.starlake.job.spark_config import StarlakeSparkConfig
from ai.starlake.job.starlake_job import IStarlakeJob

if TYPE_CHECKING:
    from ai.starlake.job.compute_profiles import ComputeProfile

__all__ = [
    "ComputeProfile",
    "EnvironmentReference",
    "FileReference",
    "IStarlakeJob",
    "JobOptions",
    "SecretReference",
    "StarlakeCli",
    "StarlakeCommand",
    "StarlakeExecutionEnvironment",
    "StarlakeExecutionMode",
    "StarlakeJobFactory",
    "StarlakeOptionWarning",
    "StarlakeOptions",
    "StarlakeOrchestrator",
    "StarlakePreLoadStrategy",
    "StarlakeSparkConfig",
    "TaskType",
]

__getattr__ = lazy_names(__name__, {"compute_profiles": ["ComputeProfile"]})
