"""Starlake commands on Google Cloud: Dataproc and Cloud Run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ai.starlake.gcp.dataproc.cluster_config import StarlakeDataprocClusterConfig
    from ai.starlake.gcp.dataproc.machine_config import StarlakeDataprocMasterConfig, StarlakeDataprocWorkerConfig

__all__ = ["StarlakeDataprocClusterConfig", "StarlakeDataprocMasterConfig", "StarlakeDataprocWorkerConfig"]

_WHERE = {
    "StarlakeDataprocClusterConfig": "dataproc.cluster_config",
    "StarlakeDataprocMasterConfig": "dataproc.machine_config",
    "StarlakeDataprocWorkerConfig": "dataproc.machine_config",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
