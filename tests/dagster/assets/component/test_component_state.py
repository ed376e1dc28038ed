"""The state of the component: what was read of the project. One that does not belong to it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from dagster import ComponentTree, StateBackedComponent
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType
from dagster.components import DefsStateConfigArgs

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import StarlakeProject, StarlakeProjectComponent
from tests.dagster.assets.component.conftest import keys

ALL = {"shop/clients", "shop/orders", "kpis/sales"}
REFRESH = "dg utils refresh-defs-state"


@pytest.fixture
def state(bakery, tmp_path) -> Path:
    """Return the state of the bakery."""
    file = tmp_path / "state"
    StarlakeProjectComponent(bakery.project).write_state_to_path(file)
    return file


def definitions_of(component, state):
    return component.build_defs_from_state(ComponentTree.for_test().load_context, state)


def refused(component, state) -> str:
    with pytest.raises(StarlakeError, match="cannot be used") as raised:
        definitions_of(component, state)
    assert REFRESH in str(raised.value)
    return str(raised.value)


def head_of(state: Path) -> dict:
    return json.loads(state.read_bytes().partition(b"\n")[0])


def replace_head(state: Path, **changes) -> None:
    first, _, rest = state.read_bytes().partition(b"\n")
    state.write_bytes(json.dumps({**json.loads(first), **changes}).encode() + b"\n" + rest)


def test_it_is_a_component_with_state():
    assert issubclass(StarlakeProjectComponent, StateBackedComponent)


def test_assets_are_those_of_the_project(bakery, state):
    made = definitions_of(StarlakeProjectComponent(bakery.project), state)
    read = definitions_of(StarlakeProjectComponent(bakery.project), None)
    assert keys(made) == keys(read) == ALL
    specs = {spec.key: spec for spec in read.resolve_all_asset_specs()}
    for spec in made.resolve_all_asset_specs():
        assert spec == specs[spec.key]


def test_selection_and_translation_apply_to_a_state(bakery, state):
    component = StarlakeProjectComponent(bakery.project, select="shop", asset_prefix="bakery")
    assert keys(definitions_of(component, state)) == {"bakery/shop/clients", "bakery/shop/orders"}


def test_without_a_state_the_project_is_read(bakery):
    assert keys(definitions_of(StarlakeProjectComponent(bakery.project), None)) == ALL


def test_a_state_says_what_it_is_of(bakery, state):
    head = head_of(state)
    assert head["project"] == str(bakery.root)
    assert head["env"] is None
    assert head["version"]
    assert len(head["content"]) == 64


def test_a_state_of_another_project_is_refused(bakery, state, tmp_path):
    shutil.copytree(bakery.root, tmp_path / "other")
    said = refused(StarlakeProjectComponent(StarlakeProject(tmp_path / "other")), state)
    assert f"it was made for the project {bakery.root}, not {tmp_path / 'other'}" in said


def test_a_state_of_another_version_is_refused(bakery, state):
    replace_head(state, version="0.0.1")
    assert "it was made by version 0.0.1, not" in refused(StarlakeProjectComponent(bakery.project), state)


def test_a_state_of_another_profile_is_refused(bakery, state):
    said = refused(StarlakeProjectComponent(StarlakeProject(bakery.root, env="PROD")), state)
    assert "it was made for the env None, not PROD" in said


def test_a_state_with_other_variables_is_refused_without_their_values(bakery, tmp_path):
    file = tmp_path / "state"
    StarlakeProjectComponent(StarlakeProject(bakery.root, options={"password": "hunter2"})).write_state_to_path(file)
    assert b"hunter2" not in file.read_bytes()
    said = refused(StarlakeProjectComponent(StarlakeProject(bakery.root, options={"password": "swordfish"})), file)
    assert "it was made with other options" in said
    assert "swordfish" not in said


def test_a_state_older_than_a_file_of_the_project_is_refused(bakery, state):
    bakery.table("shop", "refunds")
    said = refused(StarlakeProjectComponent(bakery.project), state)
    assert "a file of the project has changed since it was made" in said


def test_a_run_takes_the_state_that_its_code_location_had(bakery, state, monkeypatch):
    """A change while the code location is up must not break its runs: they were planned with the state."""
    bakery.table("shop", "refunds")
    context = DefinitionsLoadContext(DefinitionsLoadType.RECONSTRUCTION)
    monkeypatch.setattr(DefinitionsLoadContext, "_instance", context)
    assert keys(definitions_of(StarlakeProjectComponent(bakery.project), state)) == ALL


@pytest.mark.parametrize("text", [b"", b"nothing", b"[]\n[]", b"null\n[]"])
def test_a_damaged_state_is_refused(bakery, state, text):
    state.write_bytes(text)
    assert "its file is damaged" in refused(StarlakeProjectComponent(bakery.project), state)


def test_a_state_with_damaged_items_is_refused(bakery, state):
    state.write_bytes(state.read_bytes()[:-20])
    assert "its file is damaged" in refused(StarlakeProjectComponent(bakery.project), state)


def test_a_state_is_made_from_the_files_as_they_are(bakery, state):
    component = StarlakeProjectComponent(bakery.project)
    definitions_of(component, state)
    bakery.table("shop", "refunds")
    component.write_state_to_path(state)
    assert keys(definitions_of(component, state)) == ALL | {"shop/refunds"}


def test_each_project_has_a_state_of_its_own(bakery):
    components = [
        StarlakeProjectComponent(bakery.project),
        StarlakeProjectComponent(StarlakeProject(bakery.root, env="PROD")),
        StarlakeProjectComponent(StarlakeProject(bakery.root.parent / "elsewhere" / bakery.root.name)),
    ]
    found = [component.defs_state_config.key for component in components]
    assert len(set(found)) == 3
    assert all(key.startswith("StarlakeProjectComponent[bakery-") for key in found)


def test_where_it_is_kept(bakery, load, monkeypatch):
    config = StarlakeProjectComponent(bakery.project).defs_state_config
    assert config.management_type == DefsStateConfigArgs.local_filesystem().management_type
    assert config.refresh_if_dev
    fields = {"defs_state": {"management_type": "LEGACY_CODE_SERVER_SNAPSHOTS", "key": "ours"}}
    loading = DefinitionsLoadContext(DefinitionsLoadType.INITIALIZATION)
    monkeypatch.setattr(DefinitionsLoadContext, "_instance", loading)
    with load(**fields) as (component, made):
        config = component.defs_state_config
        assert (config.key, config.management_type.value) == ("ours", "LEGACY_CODE_SERVER_SNAPSHOTS")
        assert keys(made) == ALL
