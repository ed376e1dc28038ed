"""Starlake commands on Google Cloud: Dataproc, Cloud Run, and secrets of Secret Manager."""

from typing import TYPE_CHECKING

from ai.starlake.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from ai.starlake.gcp.dataproc.cluster_config import StarlakeDataprocClusterConfig
    from ai.starlake.gcp.dataproc.machine_config import StarlakeDataprocMasterConfig, StarlakeDataprocWorkerConfig
    from ai.starlake.gcp.secret_manager import GoogleSecret

__all__ = [
    "GoogleSecret",
    "StarlakeDataprocClusterConfig",
    "StarlakeDataprocMasterConfig",
    "StarlakeDataprocWorkerConfig",
]

__getattr__ = lazy_names(
    __name__,
    {
        "dataproc.cluster_config": ["StarlakeDataprocClusterConfig"],
        "dataproc.machine_config": ["StarlakeDataprocMasterConfig", "StarlakeDataprocWorkerConfig"],
        "secret_manager": ["GoogleSecret"],
    },
)
