"""Checks of a cluster's configuration that Dataproc makes."""

from __future__ import annotations

from google.cloud import dataproc_v1 as dataproc

from starlake_gcp_emulator.errors import Code, RpcError, invalid
from starlake_gcp_emulator.state import checks
from starlake_gcp_emulator.state.messages import plain

_UPDATABLE = (
    "labels",
    "config.worker_config.num_instances",
    "config.secondary_worker_config.num_instances",
    "config.autoscaling_config.policy_uri",
    "config.lifecycle_config",
    "config.lifecycle_config.idle_delete_ttl",
    "config.lifecycle_config.auto_delete_ttl",
    "config.lifecycle_config.auto_delete_time",
)
_SINGLE_NODE = "dataproc:dataproc.allow.zero.workers"
_MASTERS = (0, 1, 3)


def lifetimes(config: dataproc.LifecycleConfig) -> tuple[float | None, float | None, float | None]:
    """Return a cluster's idle time and age limits, in seconds, and its time of deletion, in seconds since the epoch."""
    buffer = plain(config)

    def seconds(name: str) -> float | None:
        if not buffer.HasField(name):
            return None
        value = getattr(buffer, name)
        return float(value.seconds + value.nanos / 1e9)

    return seconds("idle_delete_ttl"), seconds("auto_delete_ttl"), seconds("auto_delete_time")


def check_config(cluster: dataproc.Cluster, now: float) -> None:
    """Check the requested cluster.

    Args:
        cluster: The cluster.
        now: Seconds since the epoch.

    Raises:
        RpcError: If the service refuses it.
    """
    if plain(cluster).HasField("virtual_cluster_config"):
        raise RpcError(Code.UNIMPLEMENTED, "the emulator has no virtual clusters")
    config = cluster.config
    checks.image_version(config.software_config.image_version)
    _check_sizes(config)
    _check_lifetimes(config.lifecycle_config, now)


def check_update(request: dataproc.UpdateClusterRequest, paths: list[str], now: float) -> None:
    """Check a requested change.

    Raises:
        RpcError: If the service refuses it.
    """
    if not paths:
        raise invalid("update_mask must be set")
    for path in paths:
        if path not in _UPDATABLE:
            raise invalid(f"Invalid update_mask path '{path}': only {', '.join(_UPDATABLE)} can be updated")
    checks.labels(request.cluster.labels)
    _check_lifetimes(request.cluster.config.lifecycle_config, now)


def _check_sizes(config: dataproc.ClusterConfig) -> None:
    masters, workers = config.master_config.num_instances, config.worker_config.num_instances
    if masters not in _MASTERS:
        raise invalid(f"Invalid value {masters} for master_config.num_instances: 1, or 3 for high availability")
    single = config.software_config.properties.get(_SINGLE_NODE, "").lower() == "true"
    if single and workers:
        raise invalid(
            f"A cluster with {_SINGLE_NODE}=true has no workers, but worker_config.num_instances is {workers}"
        )
    if workers == 1 or workers < 0:
        raise invalid(f"Invalid value {workers} for worker_config.num_instances: clusters have at least 2 workers")
    if config.secondary_worker_config.num_instances < 0:
        raise invalid("secondary_worker_config.num_instances is negative")


def _check_lifetimes(config: dataproc.LifecycleConfig, now: float) -> None:
    idle, age, moment = lifetimes(config)
    if idle is not None:
        checks.lifetime("lifecycle_config.idle_delete_ttl", idle, least=5 * checks.MINUTE)
    if age is not None:
        checks.lifetime("lifecycle_config.auto_delete_ttl", age, least=10 * checks.MINUTE)
    if moment is not None:
        checks.lifetime("lifecycle_config.auto_delete_time", moment - now, least=10 * checks.MINUTE)
