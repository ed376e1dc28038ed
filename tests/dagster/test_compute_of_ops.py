"""The compute profile of an op: which one its command has, and where it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.job.compute_choices import COMPUTE_TAG

COMPUTE = {"small": {"process": {"nice": 1}}, "large": {"process": {"cpu_seconds": 300}, "spark": {"driver_cores": 2}}}


def tag(op: Any) -> str | None:
    found: str | None = op.tags.get(COMPUTE_TAG)
    return found


def test_an_op_has_the_profile_of_the_options(factory: Any) -> None:
    sl_job = factory(compute=COMPUTE, compute_profile="small")
    assert tag(sl_job.sl_load(None, "starbake", "Customers")) == "small"
    assert tag(sl_job.sl_transform("sums", "kpis.sums")) == "small"
    assert tag(factory().sl_load(None, "starbake", "Orders")) is None


def test_a_section_counts_more_and_an_argument_most(factory: Any) -> None:
    sections = {"starbake.Customers": {"compute_profile": "large"}, "my_op": {"compute_profile": "large"}}
    sl_job = factory(compute=COMPUTE, compute_profile="small", **sections)
    assert tag(sl_job.sl_load(None, "starbake", "Customers")) == "large"
    assert tag(sl_job.sl_load("my op", "starbake", "Orders")) == "large"
    assert tag(sl_job.sl_load("another", "starbake", "Customers", compute="small")) == "small"
    assert tag(sl_job.sl_load("third", "starbake", "Products", tags={COMPUTE_TAG: "mine"})) == "mine"


def test_an_unknown_profile_names_the_op_and_the_nearest(factory: Any) -> None:
    with pytest.raises(StarlakeError) as error:
        factory(compute=COMPUTE).sl_load("a_task", "starbake", "Customers", compute="smal")
    assert "the argument compute of a_task: there is no compute profile 'smal'" in str(error.value)
    assert "did you mean small?" in str(error.value)


def test_a_run_shows_the_profile_and_the_sizes_that_had_an_effect(factory: Any, run: Any) -> None:
    sl_job = factory(compute=COMPUTE)
    result = run(sl_job.sl_transform("sums", "kpis.sums", compute="large"))
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata[COMPUTE_TAG].value == "large"
    assert metadata["starlake/compute_sizes"].value == {"process.cpu_seconds": "300", "spark.driver_cores": "2"}
