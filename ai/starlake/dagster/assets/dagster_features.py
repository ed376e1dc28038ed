"""Features that only some versions of Dagster have."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import lru_cache
from typing import Any

import dagster
from dagster import AssetSpec, DataVersion, Output

from ai.starlake.project.assets.project_item import ProjectItem

_NEVER = timedelta(days=36_500)
"""Failure limit of items with a warning limit only; Dagster's policy requires one."""


def has_freshness_policies() -> bool:
    """Return True if assets may have freshness policies."""
    return hasattr(dagster.FreshnessPolicy, "time_window")


_SILENCED: ContextVar[bool] = ContextVar("starlake_silenced", default=False)


def freshness_policy(item: ProjectItem) -> dict[str, Any]:
    """Return the freshness policy of an item as an argument of `AssetSpec`; empty if Dagster has none."""
    policy = vars(dagster).get("FreshnessPolicy")  # Dagster 1.11 raises an error for an attribute with this name
    time_window = getattr(policy, "time_window", None)
    if time_window is None or (item.warn_after is None and item.fail_after is None):
        return {}
    fail = timedelta(seconds=item.fail_after) if item.fail_after is not None else _NEVER
    warn = timedelta(seconds=item.warn_after) if item.warn_after is not None else None
    return {"freshness_policy": time_window(fail_window=fail, warn_window=warn if warn and warn < fail else None)}


def virtual(item: ProjectItem) -> dict[str, Any]:
    """Return the argument of `AssetSpec` that marks a view; empty if Dagster has no virtual assets."""
    return {"is_virtual": True} if item.kind == "view" and _has_virtual_assets() else {}


def is_virtual(spec: AssetSpec) -> bool:
    """Return True if Dagster does not materialize an asset, such as a view by option."""
    return bool(getattr(spec, "is_virtual", False))


def output_of(name: str, metadata: Mapping[str, Any], data_version: DataVersion | None) -> Output[None]:
    """Return the output of a step that records the materialization of its asset.

    Args:
        name: The name of the output.
        metadata: The metadata to record.
        data_version: The version of the data; None for the one that Dagster derives.
    """
    with quiet():
        return Output(None, name, metadata=metadata, data_version=data_version)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress Dagster's warnings about preview features, because the user has not chosen to use them."""
    if _SILENCED.get():
        yield  # by a caller: thousands of specs are created within
        return
    names = ("BetaWarning", "PreviewWarning", "ExperimentalWarning")
    with warnings.catch_warnings():
        for category in filter(None, (getattr(dagster, name, None) for name in names)):
            warnings.simplefilter("ignore", category)
        token = _SILENCED.set(True)
        try:
            yield
        finally:
            _SILENCED.reset(token)


@lru_cache(maxsize=1)
def _has_virtual_assets() -> bool:
    return "is_virtual" in inspect.signature(AssetSpec).parameters
