from __future__ import annotations

import dataclasses

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.dataset import StarlakeDataset


def test_a_dataset_knows_its_parts_and_its_key() -> None:
    dataset = StarlakeDataset("starbake.Customers")
    assert (dataset.domain, dataset.table, dataset.uri) == ("starbake", "Customers", "starbake_Customers")


def test_a_dataset_without_domain_is_a_table() -> None:
    assert (StarlakeDataset("customers").domain, StarlakeDataset("customers").table) == ("", "customers")


def test_a_dataset_is_a_value() -> None:
    assert {StarlakeDataset("a.b"), StarlakeDataset("a.b")} == {StarlakeDataset("a.b")}
    with pytest.raises(dataclasses.FrozenInstanceError):
        StarlakeDataset("a.b").name = "c"  # type: ignore[misc]


def test_a_dataset_without_a_name_has_no_key() -> None:
    with pytest.raises(StarlakeError, match="the name is empty"):
        _ = StarlakeDataset("").uri
