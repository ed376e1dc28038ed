"""Airflow assets that loads and transforms of Starlake update."""

from __future__ import annotations

from airflow.sdk import Asset

from ai.starlake.common import sanitize_id
from ai.starlake.dataset import StarlakeDataset


def asset_of(dataset: StarlakeDataset | str) -> Asset:
    """Return the asset of a table or a task; it has the same name in every DAG, so that one can wait for it.

    It has no `extra`: the DAG files of several DAGs would overwrite it over and over.

    Args:
        dataset: The table or task, or its Starlake name, ``domain.table``.
    """
    name = dataset.name if isinstance(dataset, StarlakeDataset) else dataset
    return Asset(asset_name(name))


def asset_name(name: str) -> str:
    """Return the name of the asset of a table or task, which is its URI too.

    Args:
        name: Its Starlake name, ``domain.table``.
    """
    return sanitize_id(name).lower()
