"""The component from YAML: what each field does, and what a subclass may override."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from dagster import (
    AssetKey,
    AssetSelection,
    BackfillPolicy,
    ConfigurableResource,
    DagsterInstance,
    Definitions,
    EnvVar,
)

from ai.starlake.dagster import StarlakeProjectComponent, build_starlake_definitions
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.dagster.assets.component.conftest import error_of, keys, location, spec

ALL = {"shop/clients", "shop/orders", "kpis/sales"}


class LoudComponent(StarlakeProjectComponent):
    """Overrides what a user may override."""

    def get_asset_spec(self, item):
        return super().get_asset_spec(item).replace_attributes(owners=["team:loud"], group_name=item.kind)

    def get_asset_check_spec(self, expectation):
        return None if expectation.name == "rejected_rows" else super().get_asset_check_spec(expectation)


class SizedComponent(StarlakeProjectComponent):
    """Chooses a compute profile in code."""

    def get_compute_profile(self, item):
        return "large" if item.name == "orders" else super().get_compute_profile(item)


def op_of(definitions, key):
    return definitions.resolve_assets_def(AssetKey.from_user_string(key)).op


class TestFields:
    def test_a_project_alone_is_enough(self, load, bakery):
        with load() as (_, definitions):
            assert keys(definitions) == ALL

    def test_the_definitions_are_those_of_the_function(self, load, bakery):
        expected = build_starlake_definitions(bakery.root)
        with load() as (_, definitions):
            for key in ALL:
                assert spec(definitions, key).code_version == spec(expected, key).code_version
                assert spec(definitions, key).deps == spec(expected, key).deps
            names = {job.name for job in definitions.resolve_all_job_defs()}
            assert names == {job.name for job in expected.resolve_all_job_defs()}

    def test_the_path_is_relative_to_the_file_of_the_component(self, load):
        assert "/defs/such/project is not a Starlake project" in error_of(load(project="../no/../such/project"))

    def test_the_profile_and_variables(self, load, bakery):
        bakery.write("env.sl.yml", "version: 1\nenv:\n  top: '1'\n")
        bakery.write("env.PROD.sl.yml", "version: 1\nenv:\n  top: '2'\n")
        bakery.task("kpis", "best", "SELECT '{{top}}' AS top, '{{who}}' AS who FROM shop.orders")
        place = {"path": str(bakery.root), "env": "PROD", "options": {"who": "ada"}}
        with load(project=place) as (component, definitions):
            assert component.project.env == "PROD"
            assert dict(component.project.options) == {"who": "ada"}
            assert "kpis/best" in keys(definitions)

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"select": "shop"}, {"shop/clients", "shop/orders"}),
            ({"select": ["kpis", "shop.clients"]}, {"shop/clients", "kpis/sales"}),
            ({"exclude": "shop.clients"}, {"shop/orders", "kpis/sales"}),
            ({"select": "+kpis.sales", "exclude": ["kpis"]}, {"shop/orders"}),
        ],
    )
    def test_selection(self, load, fields, expected):
        with load(**fields) as (_, definitions):
            assert keys(definitions) == expected

    def test_an_unknown_word_is_an_error_with_the_nearest(self, load):
        said = error_of(load(select="shup"))
        assert "shup" in said
        assert "shop" in said

    @pytest.mark.parametrize(
        "executor", ["shell", {"class": "shell"}, "ai.starlake.dagster.shell.StarlakeDagsterShellJob"]
    )
    def test_an_executor_by_name(self, load, executor):
        with load(executor=executor) as (component, _):
            assert type(component.executor) is StarlakeDagsterShellJob

    def test_options_of_the_executor(self, load, monkeypatch):
        monkeypatch.setenv("WHERE_IT_IS", "/opt/starlake/starlake")
        monkeypatch.setenv("DB_PASSWORD", "hunter2")
        options = {
            "SL_STARLAKE_PATH": "{{ env.WHERE_IT_IS }}",
            "retries": 2,
            "sl_env_var": {"DB_PASSWORD": {"env": "DB_PASSWORD"}},
        }
        with load(executor={"class": "shell", "options": options}) as (component, definitions):
            settings = component.executor.settings
            assert settings.SL_STARLAKE_PATH == "/opt/starlake/starlake"
            assert "hunter2" not in repr(component.executor.options)
            assert op_of(definitions, "shop/orders").retry_policy.max_retries == 2

    def test_what_is_not_an_executor(self, load):
        said = error_of(load(executor={"class": "shel"}))
        assert "shel is not an executor" in said
        assert "did you mean shell?" in said

    def test_a_prefix(self, load):
        with load(asset_prefix=["our", "bakery"]) as (_, definitions):
            assert keys(definitions) == {f"our/bakery/{key}" for key in ALL}
            deps = {dep.asset_key.to_user_string() for dep in spec(definitions, "our/bakery/kpis/sales").deps}
            assert deps == {"our/bakery/shop/orders"}

    def test_checks_are_on_unless_switched_off(self, load):
        with load() as (_, definitions):
            found = {str(key.name) for key in definitions.resolve_asset_graph().asset_check_keys}
            assert found >= {"unique_id", "rejected_rows"}
        with load(checks=False) as (_, definitions):
            assert not definitions.resolve_asset_graph().asset_check_keys

    def test_steps(self, load):
        op = {
            "retry_policy": {"max_retries": 3, "delay": 30, "backoff": "exponential", "jitter": "full"},
            "pool": "warehouse",
            "tags": {"team": "sales"},
        }
        with load(op=op) as (_, definitions):
            made = op_of(definitions, "shop/orders")
            assert made.retry_policy.max_retries == 3
            assert made.retry_policy.delay == 30
            assert (made.retry_policy.backoff.name, made.retry_policy.jitter.name) == ("EXPONENTIAL", "FULL")
            assert made.pool == "warehouse"
            assert made.tags["team"] == "sales"

    def test_backfills(self, load, bakery):
        bakery.table("shop", "daily", more="metadata:\n  schedule: '@daily'\n")
        with load(op={"backfill_policy": {"type": "single_run"}}) as (_, definitions):
            made = definitions.resolve_assets_def(AssetKey(["shop", "daily"]))
            assert made.backfill_policy == BackfillPolicy.single_run()
        with load(op={"backfill_policy": {"type": "multi_run", "max_partitions_per_run": 5}}) as (_, definitions):
            made = definitions.resolve_assets_def(AssetKey(["shop", "daily"]))
            assert made.backfill_policy == BackfillPolicy.multi_run(5)

    @pytest.mark.parametrize(
        ("included", "expected"),
        [
            (None, {"column_schema", "column_lineage"}),
            (["column_schema"], {"column_schema"}),
            ([], set()),
        ],
    )
    def test_metadata_of_definitions(self, load, included, expected):
        with load(include_metadata=included, select="kpis") as (_, definitions):
            found = spec(definitions, "kpis/sales").metadata
            files = [place.file_path for place in found["dagster/code_references"].code_references]
            assert {name for name in ("column_schema", "column_lineage") if f"dagster/{name}" in found} == expected
            assert any(file.endswith("sales.sql") for file in files) is (included is None)
            assert found["dagster/table_name"] == "kpis.sales"

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"exekutor": "shell"}, "exekutor"),
            ({"op": {"retries": 3}}, "retries"),
            ({"executor": {"klass": "shell"}}, "klass"),
            ({"project": {"folder": "x"}}, "folder"),
        ],
    )
    def test_an_unknown_field_is_named(self, load, fields, named):
        assert re.search(rf"{named}[\s\S]*Extra inputs are not permitted", error_of(load(**fields)))

    def test_another_word_for_batched_is_an_error(self, load):
        assert "batched is 'domain'" in error_of(load(batched="domain"))

    def test_steps_per_domain_and_one_for_the_project(self, load):
        for batched, expected in ((True, {"shop", "kpis"}), ("project", {"bakery"})):
            with load(batched=batched) as (_, definitions):
                assert {op_of(definitions, key).name for key in ALL} == expected

    def test_the_sensor_for_files_may_be_switched_off(self, load):
        with load() as (_, definitions):
            assert definitions.sensors
        with load(sensors=False) as (_, definitions):
            assert not definitions.sensors

    def test_rejected_rows_may_be_assets(self, load):
        with load(rejects=True) as (_, definitions):
            assert "audit/shop_rejected" in keys(definitions)

    def test_the_name_is_that_of_what_is_made(self, load):
        with load(name="first") as (_, definitions):
            assert all(sensor.name.startswith("first") for sensor in definitions.sensors)


class TestTranslation:
    def test_attributes_are_templates(self, load):
        translation = {
            "group_name": "{{ item.domain }}_raw",
            "description": "{{ item.full_name }} as {{ item.kind }}",
            "tags": {"team": "sales"},
            "metadata": {"cost_center": "{{ spec.key.path[-1] }}"},
            "owners": ["team:bakers"],
        }
        with load(translation=translation) as (_, definitions):
            found = spec(definitions, "kpis/sales")
            assert (found.group_name, found.description) == ("kpis_raw", "kpis.sales as task")
            assert found.tags["team"] == "sales"
            assert list(found.owners) == ["team:bakers"]
            assert found.metadata["cost_center"] == "sales"
            assert "dagster/column_schema" in found.metadata

    def test_a_prefix_moves_all_that_names_the_asset(self, load):
        with load(translation={"key_prefix": "bakery"}) as (_, definitions):
            assert keys(definitions) == {f"bakery/{key}" for key in ALL}
            deps = {dep.asset_key.to_user_string() for dep in spec(definitions, "bakery/kpis/sales").deps}
            assert deps == {"bakery/shop/orders"}
            checked = {key.asset_key.to_user_string() for key in definitions.resolve_asset_graph().asset_check_keys}
            assert checked == {"bakery/shop/orders", "bakery/shop/clients"}

    def test_a_template_may_make_the_whole_spec(self, load):
        with load(translation="{{ spec.replace_attributes(group_name=item.kind) }}") as (_, definitions):
            assert spec(definitions, "kpis/sales").group_name == "task"

    def test_a_mistake_in_a_template_is_named(self, load):
        assert "itm" in error_of(load(translation={"group_name": "{{ itm.domain }}"}))

    def test_a_key_is_replaced(self, load):
        with load(translation={"key": "raw/{{ item.name }}"}, select="shop") as (_, definitions):
            assert keys(definitions) == {"raw/orders", "raw/clients"}

    def test_one_key_for_two_items_is_refused_naming_both(self, load):
        said = error_of(load(translation={"key": "same"}, select="shop"))
        assert "shop.clients and shop.orders both have the asset key same" in said


class TestOverrides:
    def test_a_subclass_makes_the_specs(self, load):
        name = f"{__name__}.LoudComponent"
        with load(name, translation={"tags": {"more": "yes"}}) as (_, definitions):
            found = spec(definitions, "kpis/sales")
            assert (found.group_name, list(found.owners)) == ("task", ["team:loud"])
            assert found.tags["more"] == "yes"
            checks = {key.name for key in definitions.resolve_asset_graph().asset_check_keys}
            assert checks == {"unique_id"}

    def test_compute_profiles(self, load):
        options = {"compute": {"small": {}, "large": {}}, "compute_profile": "small"}
        executor = {"class": "embedded", "options": options}

        def profiles(definitions):
            return {key: spec(definitions, key).tags.get("starlake/compute") for key in ALL}

        with load(executor=executor) as (_, definitions):
            assert set(profiles(definitions).values()) == {"small"}
        with load(executor=executor, compute="large") as (_, definitions):
            assert set(profiles(definitions).values()) == {"large"}
        with load(f"{__name__}.SizedComponent", executor=executor) as (_, definitions):
            assert profiles(definitions) == {"shop/orders": "large", "shop/clients": "small", "kpis/sales": "small"}

    def test_made_in_python(self, bakery):
        lines = [
            "from dagster import component_instance",
            "from ai.starlake.dagster import StarlakeProject, StarlakeProjectComponent",
            "@component_instance",
            "def load(context):",
            f"    return StarlakeProjectComponent(StarlakeProject({str(bakery.root)!r}), select='shop')",
        ]
        with location("component.py", "\n".join(lines)) as (_, definitions):
            assert keys(definitions) == {"shop/clients", "shop/orders"}

    def test_keys_and_selections_by_name(self, load):
        with load(asset_prefix="bakery") as (component, definitions):
            assert component.asset_key_for("shop.orders") == AssetKey(["bakery", "shop", "orders"])
            graph = definitions.resolve_asset_graph()
            selected = component.get_asset_selection("+kpis.sales", exclude="kpis")
            assert isinstance(selected, AssetSelection)
            assert selected.resolve(graph) == {AssetKey(["bakery", "shop", "orders"])}


class CountingComponent(StarlakeProjectComponent):
    """Does something around the run of each step."""

    def execute(self, context, starlake):
        for key in context.selected_asset_keys:
            context.add_asset_metadata({"counted": 1}, asset_key=key)
        yield from starlake.run(context)


class TestRuns:
    @pytest.fixture
    def delivered(self, bakery):
        landing = bakery.root / "datasets" / "incoming" / "shop"
        landing.mkdir(parents=True)
        bakery.write("load/shop/_config.sl.yml", CONFIG)
        (landing / "orders1.csv").write_text("id,day\n1,2026-01-01\n2,2026-01-01\n", encoding="utf-8")

    def materializations(self, definitions):
        with DagsterInstance.ephemeral() as instance:
            job = definitions.resolve_implicit_global_asset_job_def()
            result = job.execute_in_process(instance=instance, raise_on_error=False)
            assert result.success
            return {
                event.asset_key.to_user_string(): event.step_materialization_data.materialization
                for event in result.get_asset_materialization_events()
            }

    def test_what_is_made_from_yaml_runs(self, load, delivered):
        with load(select="shop.orders kpis") as (_, definitions):
            made = self.materializations(definitions)
        assert set(made) == {"shop/orders", "kpis/sales"}
        assert made["shop/orders"].metadata["dagster/row_count"].value == 2
        assert "starlake/files" in made["shop/orders"].metadata

    def test_metadata_that_is_not_wanted_is_not_recorded(self, load, delivered):
        with load(select="shop.orders", include_metadata=["row_count"]) as (_, definitions):
            metadata = self.materializations(definitions)["shop/orders"].metadata
        assert metadata["dagster/row_count"].value == 2
        assert "starlake/files" not in metadata
        assert metadata["starlake/rows_read"].value == 2

    @pytest.mark.parametrize("executor", [None, {"class": "embedded", "options": {"retries": 1}}])
    def test_a_subclass_does_something_around_the_commands(self, load, delivered, executor):
        with load(f"{__name__}.CountingComponent", select="shop.orders kpis", executor=executor) as (_, definitions):
            made = self.materializations(definitions)
        assert {key: each.metadata["counted"].value for key, each in made.items()} == {
            "shop/orders": 1,
            "kpis/sales": 1,
        }
        assert made["shop/orders"].metadata["dagster/row_count"].value == 2


def test_a_resource_and_steps_of_ones_own_beside_components(bakery, monkeypatch):
    from dagster.components.testing import create_defs_folder_sandbox

    monkeypatch.setenv("WHERE", "embedded")
    with create_defs_folder_sandbox() as sandbox:
        (sandbox.defs_folder_path / "ours.py").write_text(OWN_STEP.format(root=str(bakery.root)), encoding="utf-8")
        with sandbox.build_all_defs() as definitions, DagsterInstance.ephemeral() as instance:
            job = definitions.resolve_implicit_global_asset_job_def()
            assert job.execute_in_process(instance=instance).success


OWN_STEP = """
from dagster import AssetExecutionContext, Definitions, EnvVar, definitions
from ai.starlake.dagster import StarlakeResource, starlake_assets

@starlake_assets(project={root!r}, select="shop.orders")
def orders(context: AssetExecutionContext, starlake: StarlakeResource):
    assert starlake.executor == "embedded"
    yield from starlake.run(context)

@definitions
def resources():
    return Definitions([orders], resources={{"starlake": StarlakeResource(executor=EnvVar("WHERE"))}})
"""
CONFIG = """
    version: 1
    load:
      name: shop
      metadata:
        directory: "{{SL_INCOMING}}/shop"
        format: DSV
        separator: ","
        withHeader: true
"""


def test_the_example_of_the_documentation_is_valid():
    text = (Path(__file__).parents[4] / "docs" / "assets.md").read_text(encoding="utf-8")
    (example,) = (
        block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "StarlakeProjectComponent" in block
    )
    given = yaml.safe_load(example)
    assert given["type"] == "ai.starlake.dagster.StarlakeProjectComponent"
    model = StarlakeProjectComponent.get_model_cls().model_validate(given["attributes"])
    assert set(given["attributes"]) == model.model_fields_set
    table = text.partition("| field | description |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", re.sub(r"\|[^|]*\|$", "", table, flags=re.M))) == set(type(model).model_fields)


def test_every_field_is_described():
    schema = StarlakeProjectComponent.get_model_cls().model_json_schema()
    described = {name for name, field in schema["properties"].items() if field.get("description")}
    assert described == set(schema["properties"])
    assert {"project", "executor", "select", "exclude", "translation", "op", "batched", "rejects"} <= described
    for name in ("StepOptionsModel", "StepRetriesModel", "ProjectPlaceModel", "ExecutorPlaceModel"):
        fields = schema["$defs"][name]["properties"]
        assert {field for field, value in fields.items() if not value.get("description")} == set(), name
    assert schema["required"] == ["project"]


class Vault(ConfigurableResource):
    """A resource of a user's own."""

    token: str


def test_secrets_are_references_in_yaml(load, bakery, monkeypatch):
    monkeypatch.setenv("THE_TOKEN", "hunter2-hunter2")
    script = bakery.root.parent / "starlake"
    script.write_text(f'#!/bin/sh\nprintf "%s %s" "$TOKEN" "$KEY" > {bakery.root.parent}/seen\n')
    script.chmod(0o700)
    references = {"TOKEN": {"resource": "vault.token"}, "KEY": {"env": "THE_TOKEN"}}
    options = {"SL_STARLAKE_PATH": str(script), "sl_env_var": references}
    with load(executor={"class": "shell", "options": options}) as (_, definitions):
        merged = Definitions.merge(definitions, Definitions(resources={"vault": Vault(token=EnvVar("THE_TOKEN"))}))
        job = merged.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(asset_selection=[AssetKey(["kpis", "sales"])]).success
    assert (bakery.root.parent / "seen").read_text() == "hunter2-hunter2 hunter2-hunter2"
