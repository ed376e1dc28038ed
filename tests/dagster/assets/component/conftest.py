"""Code locations with the component. Where Dagster has no components, `test_component_import.py` says what happens."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import dagster
import pytest
import yaml

from tests.dagster.assets.conftest import Folder

if not hasattr(dagster, "Component"):
    collect_ignore_glob = ["test_*.py"]

Load = Callable[..., AbstractContextManager[tuple[Any, Any]]]
TYPE = "ai.starlake.dagster.StarlakeProjectComponent"


@pytest.fixture
def bakery(folder: Folder) -> Folder:
    """Return a project with two tables of one domain and a task."""
    folder.table("shop", "orders", "id: long, day: date")
    folder.table("shop", "clients", "id: long", "expectations:\n  - expect: \"validity.unique('id')\"\n")
    folder.write("expectations/validity.j2", "{% macro unique(column) %}SELECT 0{% endmacro %}\n")
    folder.task("kpis", "sales", "SELECT day, count(*) AS n FROM shop.orders GROUP BY day")
    return folder


@pytest.fixture
def load(bakery: Folder) -> Load:
    """Load the component of the bakery from YAML, in a code location of its own; return it and its definitions."""

    @contextmanager
    def loaded(type_name: str = TYPE, **attributes: Any) -> Iterator[tuple[Any, Any]]:
        contents = {"type": type_name, "attributes": {"project": str(bakery.root), **attributes}}
        with location("defs.yaml", yaml.safe_dump(contents)) as found:
            yield found

    return loaded


@contextmanager
def location(name: str, text: str) -> Iterator[tuple[Any, Any]]:
    """Load a component from a file of a code location; return it and its definitions."""
    from dagster.components.testing import create_defs_folder_sandbox

    with create_defs_folder_sandbox() as sandbox:
        place = sandbox.defs_folder_path / "bakery"
        place.mkdir()
        (place / name).write_text(text, encoding="utf-8")
        with sandbox.load_component_and_build_defs(defs_path=place) as (component, definitions):
            (inner,) = getattr(component, "components", [component])
            yield inner, definitions


def error_of(loading: AbstractContextManager[Any]) -> str:
    """Return the error that loading ends with, and all that it was caused by."""
    with pytest.raises(Exception) as raised, loading:  # noqa: PT011  Dagster's own
        pass
    return "".join(traceback.format_exception(raised.value))


def keys(definitions: Any) -> set[str]:
    return {key.to_user_string() for key in definitions.resolve_asset_graph().materializable_asset_keys}


def spec(definitions: Any, key: str) -> Any:
    (found,) = (each for each in definitions.resolve_all_asset_specs() if each.key.to_user_string() == key)
    return found
