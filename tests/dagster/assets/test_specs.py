"""Tables and tasks as specs: keys, edges, and what is known before anything runs."""

from __future__ import annotations

from datetime import timedelta

import dagster
import pytest
from dagster import AssetDep, AssetSpec, Definitions

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import DagsterStarlakeTranslator, StarlakeProject, build_starlake_asset_specs
from tests.dagster.assets.conftest import SAMPLE, Folder, by_key, columns_of, deps_of, key, lineage_of


def test_the_sample_is_a_graph_of_assets() -> None:
    specs = by_key(build_starlake_asset_specs(SAMPLE))
    assert {name: deps_of(spec) for name, spec in specs.items()} == {
        "starbake/Customers": set(),
        "starbake/Ingredients": set(),
        "starbake/Orders": set(),
        "starbake/Products": set(),
        "Customers/CustomerLifeTimeValue": {"starbake/Customers", "starbake/Orders"},
        "Customers/HighValueCustomers": {"Customers/CustomerLifeTimeValue"},
        "Products/ProductMargins": {"starbake/Products", "starbake/Ingredients"},
        "kpis/DailySales": {"starbake/Orders", "Products/ProductMargins", "Customers/HighValueCustomers"},
    }


def test_the_specs_of_the_sample_load_as_definitions() -> None:
    definitions = Definitions(assets=build_starlake_asset_specs(SAMPLE))
    Definitions.validate_loadable(definitions)
    keys = definitions.get_repository_def().asset_graph.get_all_asset_keys()
    assert key("kpis/DailySales") in keys
    assert len(keys) == 8


def test_a_spec_says_what_the_metadata_says(folder: Folder) -> None:
    folder.table(
        "shop",
        "orders",
        more="""\
          comment: All orders
          tags: [finance, tier=gold, owner:ada@example.org, owner:data, "two words"]
        """,
    )
    spec = folder.specs()["shop/orders"]
    assert spec.description == "All orders"
    assert spec.group_name == "shop"
    assert spec.kinds == {"starlake", "duckdb", "csv"}
    assert {name: value for name, value in spec.tags.items() if "/kind/" not in name} == {
        "finance": "",
        "tier": "gold",
        "two_words": "",
    }
    assert spec.owners == ["ada@example.org", "team:data"]
    assert spec.metadata["dagster/table_name"] == "shop.orders"
    assert spec.metadata["starlake/name"] == "shop.orders"


def test_the_columns_of_a_loaded_table(folder: Folder) -> None:
    folder.write(
        "load/shop/orders.sl.yml",
        """
        version: 1
        table:
          name: orders
          pattern: orders.*
          primaryKey: [id]
          attributes:
            - {name: id, type: long, required: true}
            - {name: price, type: decimal, comment: Euros}
            - {name: mail, type: string, privacy: SHA256, rename: email}
            - {name: customer, type: long, foreignKey: shop.customers.id, default: "0"}
            - {name: hidden, type: string, ignore: true}
            - {name: total, type: double, script: price * 2}
            - name: lines
              type: struct
              array: true
              attributes:
                - {name: product, type: string}
                - {name: unit price, type: double}
        """,
    )
    spec = folder.specs()["shop/orders"]
    columns = columns_of(spec)
    assert {name: column.type for name, column in columns.items()} == {
        "id": "BIGINT",
        "price": "DECIMAL(38,9)",
        "email": "VARCHAR",
        "customer": "BIGINT",
        "total": "DOUBLE",
        "lines": 'STRUCT(product VARCHAR, "unit price" DOUBLE)[]',
    }
    assert (columns["id"].constraints.nullable, columns["id"].constraints.unique) == (False, True)
    assert (columns["price"].constraints.nullable, columns["price"].constraints.unique) == (True, False)
    assert columns["price"].description == "Euros"
    assert columns["email"].tags["privacy"] == "SHA256"
    assert columns["customer"].tags["foreign_key"] == "shop.customers.id"
    assert list(columns["customer"].constraints.other) == ["default 0"]
    assert columns["id"].tags["starlake_type"] == "long"
    assert lineage_of(spec.metadata["dagster/column_lineage"]) == {"total": ["shop/orders.price"]}


def test_a_key_of_several_columns_is_not_unique_in_each(folder: Folder) -> None:
    folder.table("shop", "orders", "id: long, line: long", "  primaryKey: [id, line]\n")
    column = columns_of(folder.specs()["shop/orders"])["line"]
    assert not column.constraints.unique
    assert list(column.constraints.other) == ["primary key (id, line)"]


def test_versions_of_rows_have_columns_of_their_own(folder: Folder) -> None:
    folder.table(
        "shop", "orders", more="  metadata:\n    writeStrategy: {type: SCD2, key: [id], startTs: valid_from}\n"
    )
    assert folder.types("shop/orders") == {"id": "BIGINT", "valid_from": "TIMESTAMP", "sl_end_ts": "TIMESTAMP"}


def test_types_are_those_of_the_warehouse(folder: Folder) -> None:
    folder.write(
        "application.sl.yml",
        """
        version: 1
        application:
          connectionRef: bq
          database: my-project
          connections:
            bq: {type: bigquery, options: {location: EU}}
        """,
    )
    folder.table("shop", "orders", "id: long, name: string, price: double")
    spec = folder.specs()["shop/orders"]
    assert folder.types("shop/orders") == {"id": "INT64", "name": "STRING", "price": "FLOAT64"}
    assert spec.kinds == {"starlake", "bigquery", "csv"}
    assert spec.metadata["dagster/table_name"] == "my-project.shop.orders"


def test_keys_have_the_names_in_the_database(folder: Folder) -> None:
    folder.write("load/shop/_config.sl.yml", "version: 1\nload:\n  name: shop\n  rename: sales\n")
    folder.table("shop", "orders", more="  rename: all_orders\n")
    folder.task("kpi", "daily", "SELECT count(*) AS n FROM sales.all_orders", "version: 1\ntask:\n  table: per_day\n")
    specs = folder.specs()
    assert deps_of(specs["kpi/per_day"]) == {"sales/all_orders"}
    assert specs["kpi/per_day"].metadata["starlake/name"] == "kpi.daily"
    assert specs["sales/all_orders"].metadata["starlake/name"] == "shop.orders"


def test_letters_beyond_ascii_stay_in_keys(folder: Folder) -> None:
    folder.table("café", "größen")
    spec = folder.specs()["café/größen"]
    assert spec.group_name == "cafe"
    Definitions.validate_loadable(Definitions(assets=[spec]))


def test_what_the_project_does_not_make_is_a_dependency_without_spec(folder: Folder) -> None:
    folder.table("shop", "orders")
    folder.task(
        "kpi",
        "daily",
        "WITH o AS (SELECT * FROM orders) SELECT o.id FROM o JOIN crm.clients c ON c.id = o.id"
        " JOIN lake.raw.weather w ON w.id = o.id JOIN 'more.csv' m ON m.id = o.id"
        " JOIN information_schema.tables t ON true JOIN read_csv('x.csv') x ON x.id = o.id",
    )
    specs = folder.specs()
    assert set(specs) == {"shop/orders", "kpi/daily"}
    assert deps_of(specs["kpi/daily"]) == {"shop/orders", "crm/clients", "raw/weather"}


def test_a_prefix_is_for_all_that_the_project_makes(folder: Folder) -> None:
    folder.table("shop", "orders")
    folder.task("kpi", "daily", "SELECT o.id FROM shop.orders o JOIN crm.clients c ON c.id = o.id")
    for prefix in ("prod", ["eu", "prod"]):
        specs = folder.specs(asset_prefix=prefix)
        start = "prod" if prefix == "prod" else "eu/prod"
        assert set(specs) == {f"{start}/shop/orders", f"{start}/kpi/daily"}
        assert deps_of(specs[f"{start}/kpi/daily"]) == {f"{start}/shop/orders", "crm/clients"}
        lineage = lineage_of(specs[f"{start}/kpi/daily"].metadata["dagster/column_lineage"])
        assert lineage == {"id": [f"{start}/shop/orders.id"]}


@pytest.mark.parametrize("prefix", ["", [], [""]])
def test_an_empty_prefix_is_none(folder: Folder, prefix: str | list[str]) -> None:
    folder.table("shop", "orders")
    assert set(folder.specs(asset_prefix=prefix)) == {"shop/orders"}


def test_two_items_that_make_one_table_are_refused_with_both_names(folder: Folder) -> None:
    folder.table("shop", "orders")
    folder.task("shop", "rebuild", "SELECT 1 AS id", "version: 1\ntask:\n  table: orders\n")
    with pytest.raises(StarlakeError, match=r"table shop\.orders and the task shop\.rebuild make the table"):
        folder.specs()


def test_names_that_differ_by_case_only_are_refused_with_both(folder: Folder) -> None:
    folder.task("kpi", "daily", "SELECT 1 AS id")
    folder.task("kpi", "other", "SELECT 1 AS id", "version: 1\ntask:\n  table: Daily\n")
    with pytest.raises(StarlakeError, match=r"kpi\.daily and kpi\.Daily, which differ by case only"):
        folder.specs()


def test_code_references_name_files_and_lines(folder: Folder) -> None:
    folder.write("transform/kpi/daily.sl.yml", "# first\nversion: 1\ntask:\n  comment: x\n")
    sql = folder.write("transform/kpi/daily.sql", "SELECT 1 AS n")
    references = folder.specs()["kpi/daily"].metadata["dagster/code_references"].code_references
    assert [(reference.file_path, reference.line_number) for reference in references] == [
        (str(sql), 1),
        (str(sql.with_name("daily.sl.yml")), 3),
    ]
    without = folder.specs(translator=DagsterStarlakeTranslator(code_references=False))["kpi/daily"]
    assert "dagster/code_references" not in without.metadata


def test_the_code_version_follows_the_sql_and_the_columns_but_not_comments(folder: Folder) -> None:
    folder.table("shop", "orders", more="  comment: one\n")
    folder.task("kpi", "daily", "SELECT 1 AS n")

    def versions() -> tuple[str | None, str | None]:
        specs = folder.specs()
        return specs["shop/orders"].code_version, specs["kpi/daily"].code_version

    first = versions()
    folder.table("shop", "orders", more="  comment: two\n")
    assert versions() == first
    folder.table("shop", "orders", "id: int", "  comment: two\n")
    assert versions()[0] != first[0]
    assert versions()[1] == first[1]
    folder.task("kpi", "daily", "SELECT 2 AS n")
    assert versions()[1] != first[1]


def test_freshness_is_a_policy_where_dagster_has_one(folder: Folder) -> None:
    folder.table("shop", "orders", more="  metadata:\n    freshness: {warn: 2 hours, error: 3 days}\n")
    folder.table("shop", "lines", more="  metadata:\n    freshness: {warn: 30 minutes}\n")
    specs = folder.specs()
    if not hasattr(vars(dagster).get("FreshnessPolicy"), "time_window"):
        assert specs["shop/orders"].freshness_policy is None
        return
    expected = dagster.FreshnessPolicy.time_window(fail_window=timedelta(days=3), warn_window=timedelta(hours=2))
    assert specs["shop/orders"].freshness_policy == expected
    warn_only = specs["shop/lines"].freshness_policy
    assert warn_only.warn_window.to_timedelta() == timedelta(minutes=30)
    assert warn_only.fail_window.to_timedelta() > timedelta(days=10_000)


def test_dagster_without_the_name_of_the_policy_has_no_policy(folder: Folder, monkeypatch) -> None:
    """Dagster 1.11 raises an ImportError for it."""
    monkeypatch.delattr(dagster, "FreshnessPolicy")
    folder.table("shop", "orders", more="  metadata:\n    freshness: {warn: 2 hours, error: 3 days}\n")
    assert folder.specs()["shop/orders"].freshness_policy is None


def test_freshness_in_other_words_is_an_error_with_the_file(folder: Folder) -> None:
    folder.table("shop", "orders", more="  metadata:\n    freshness: {warn: soon}\n")
    with pytest.raises(StarlakeError, match=r"orders\.sl\.yml.*'soon' is not a duration"):
        folder.specs()


def test_views_are_virtual_by_option(folder: Folder) -> None:
    folder.task("kpi", "daily", "SELECT 1 AS n", "version: 1\ntask:\n  sink: {materializedView: VIEW}\n")
    plain = folder.specs()["kpi/daily"]
    assert "view" in plain.kinds
    assert not getattr(plain, "is_virtual", False)
    chosen = folder.specs(translator=DagsterStarlakeTranslator(views_as_virtual=True))["kpi/daily"]
    assert getattr(chosen, "is_virtual", True)


class Renaming(DagsterStarlakeTranslator):
    """Puts loaded tables below ``raw`` and says something about each item."""

    def get_asset_spec(self, item) -> AssetSpec:
        spec = super().get_asset_spec(item)
        strategy = item.metadata["writeStrategy"].get("type")
        spec = spec.merge_attributes(metadata={"seen": f"{item.kind} {item.full_name} {strategy}"})
        return spec.replace_attributes(key=key(f"raw/{item.name}")) if item.kind == "table" else spec


def test_a_key_of_the_translator_is_followed_by_edges_and_lineage(folder: Folder) -> None:
    folder.table("shop", "orders", more="  metadata:\n    writeStrategy: {type: OVERWRITE}\n")
    folder.task("kpi", "daily", "SELECT id FROM shop.orders")
    specs = folder.specs(translator=Renaming(), asset_prefix="eu")
    assert set(specs) == {"eu/raw/orders", "eu/kpi/daily"}
    assert deps_of(specs["eu/kpi/daily"]) == {"eu/raw/orders"}
    assert lineage_of(specs["eu/kpi/daily"].metadata["dagster/column_lineage"]) == {"id": ["eu/raw/orders.id"]}
    assert specs["eu/raw/orders"].metadata["seen"] == "table shop.orders OVERWRITE"


def test_the_key_is_followed_by_what_is_chosen_alone(folder: Folder) -> None:
    folder.table("shop", "orders")
    folder.task("kpi", "daily", "SELECT id FROM shop.orders", "version: 1\ntask:\n  writeStrategy: {type: APPEND}\n")
    specs = folder.specs(translator=Renaming(), select="kpi")
    assert {name: deps_of(spec) for name, spec in specs.items()} == {"kpi/daily": {"raw/orders"}}


def test_one_key_for_two_items_is_refused_with_both_names(folder: Folder) -> None:
    folder.table("shop", "orders")
    folder.table("web", "orders")
    with pytest.raises(StarlakeError, match=r"shop\.orders and web\.orders both have the asset key raw/orders"):
        folder.specs(translator=Renaming())


class Adding(DagsterStarlakeTranslator):
    def get_asset_spec(self, item) -> AssetSpec:
        spec = super().get_asset_spec(item)
        return spec.replace_attributes(deps=[*spec.deps, AssetDep("lookup")])


def test_dependencies_of_the_translator_are_kept(folder: Folder) -> None:
    folder.table("shop", "orders")
    spec = folder.specs(translator=Adding(), asset_prefix="eu")["eu/shop/orders"]
    assert deps_of(spec) == {"lookup"}


def test_a_circle_of_tasks_is_an_error_that_names_it(folder: Folder) -> None:
    folder.task("kpi", "a", "SELECT * FROM kpi.b")
    folder.task("kpi", "b", "SELECT * FROM kpi.a")
    with pytest.raises(StarlakeError, match="in a circle"):
        folder.specs()


@pytest.mark.filterwarnings("error")
def test_specs_are_made_without_warnings(folder: Folder) -> None:
    folder.table("shop", "orders", more="  tags: [owner:data]\n")
    folder.task("kpi", "daily", "SELECT id FROM shop.orders", "version: 1\ntask:\n  sink: {materializedView: VIEW}\n")
    translator = DagsterStarlakeTranslator(views_as_virtual=True)
    assert len(build_starlake_asset_specs(StarlakeProject(folder.root), translator=translator, asset_prefix="x")) == 2
