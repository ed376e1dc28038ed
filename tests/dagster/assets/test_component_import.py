"""The component where Dagster has components, and what its import says where it has none."""

import dagster
import pytest

import ai.starlake.dagster
from ai.starlake.common import StarlakeError


def test_importing_it_gives_the_component_or_says_which_version_has_it():
    if hasattr(dagster, "Component"):
        assert issubclass(ai.starlake.dagster.StarlakeProjectComponent, dagster.Component)
        return
    with pytest.raises(StarlakeError, match="which this version of Dagster does not have") as raised:
        from ai.starlake.dagster import StarlakeProjectComponent  # noqa: F401
    assert dagster.__version__ in str(raised.value)
    assert "install Dagster 1.11 or newer" in str(raised.value)


def test_every_name_that_the_package_lists_can_be_imported():
    """`dg` imports all of them to find components."""
    names = [name for name in dir(ai.starlake.dagster) if name in ai.starlake.dagster.__all__]
    assert [getattr(ai.starlake.dagster, name).__name__ for name in names] == names
    assert ("StarlakeProjectComponent" in names) is hasattr(dagster, "Component")
