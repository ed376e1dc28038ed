"""Asset keys of datasets: ops materialize them, and sensors wait for them."""

from __future__ import annotations

from dagster import AssetKey

from ai.starlake.dataset import StarlakeDataset
from ai.starlake.job.job_options import AssetKeyStyle

_PARTS = 2


def dataset_key(dataset: StarlakeDataset, style: AssetKeyStyle) -> AssetKey:
    """Return the asset key of a dataset.

    Args:
        dataset: The dataset.
        style: ``id`` for one part, ``domain_table``; ``path`` for two, as the assets of a project have them.
    """
    if style == "id":
        return AssetKey(dataset.uri)
    return AssetKey(dataset.name.split(".")[-_PARTS:])
