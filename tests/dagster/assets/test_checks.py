"""Expectations as checks of assets."""

from __future__ import annotations

import pytest
from dagster import AssetCheckSpec

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import DagsterStarlakeTranslator
from ai.starlake.dagster.assets.translated_project import TranslatedProject
from tests.dagster.assets.conftest import SAMPLE, Folder, key

EXPECTATIONS = """\
expectations:
  - expect: "quality.between('id', 0, 5)"
    failOnError: true
  - expect: "between('id', 0, -5)"
    failOnError: false
  - expect: "unique('id')"
    failOnError: false
  - expect: "quality.unique('id')"
    failOnError: false
  - expect: "rejected_rows()"
"""


def all_checks_of(project, translator=None, prefix=None) -> list[AssetCheckSpec]:
    translated = TranslatedProject(project, translator, prefix)
    return translated.check_specs(translated.select(None, None))


def checks_of(project, translator=None, prefix=None) -> list[AssetCheckSpec]:
    """Return the checks of expectations."""
    return [check for check in all_checks_of(project, translator, prefix) if "starlake/expectation" in check.metadata]


def strict(folder: Folder) -> None:
    text = (folder.root / "metadata/application.sl.yml").read_text("utf-8")
    folder.write("application.sl.yml", text + "  expectations: {failOnError: true}\n")


def test_the_sample_has_a_check_for_each_expectation() -> None:
    found = {(check.asset_key.to_user_string(), check.name) for check in checks_of(SAMPLE)}
    assert found == {
        ("starbake/Customers", "unique_customer_id"),
        ("starbake/Ingredients", "between_price_0_500"),
        ("starbake/Ingredients", "between_price_0_12"),
        ("starbake/Orders", "unique_order_id"),
        ("starbake/Orders", "at_least_1"),
        ("starbake/Products", "unique_product_id"),
        ("Customers/CustomerLifeTimeValue", "unique_customer_id"),
        ("Customers/HighValueCustomers", "always_set_customer_name"),
        ("Products/ProductMargins", "always_set_margin"),
        ("kpis/DailySales", "at_least_1"),
    }


def test_names_are_unique_within_a_table_and_do_not_depend_on_order(folder: Folder) -> None:
    folder.table("shop", "orders", more=EXPECTATIONS)
    names = [check.name for check in checks_of(folder.project)]
    assert len(set(names)) == len(names) == 4
    assert "unique_id" in names
    assert "rejected_rows" not in names
    assert "between_id_0_5" not in names
    lines = EXPECTATIONS.splitlines()
    folder.table("shop", "orders", more="\n".join([lines[0], *lines[3:5], *lines[1:3], *lines[5:]]) + "\n")
    assert {check.name for check in checks_of(folder.project)} == set(names)


def test_a_check_blocks_if_application_and_expectation_say_so(folder: Folder) -> None:
    folder.table("shop", "orders", more=EXPECTATIONS)
    assert not any(check.blocking for check in checks_of(folder.project))
    strict(folder)
    blocking = {check.description: check.blocking for check in checks_of(folder.project)}
    assert blocking["between('id', 0, 5)"]
    assert not blocking["unique('id')"]


def test_expectations_that_are_switched_off_are_no_checks(folder: Folder) -> None:
    folder.table("shop", "orders", more=EXPECTATIONS)
    text = (folder.root / "metadata/application.sl.yml").read_text("utf-8")
    folder.write("application.sl.yml", text + "  expectations: {active: false}\n")
    assert checks_of(folder.project) == []


class Own(DagsterStarlakeTranslator):
    """Puts assets elsewhere and leaves checks out."""

    def get_asset_spec(self, item):
        return super().get_asset_spec(item).replace_attributes(key=key(f"x/{item.name}"))

    def get_asset_check_spec(self, expectation):
        if expectation.name.startswith("unique"):
            return None
        return super().get_asset_check_spec(expectation)


def test_the_translator_decides_about_checks_and_their_assets(folder: Folder) -> None:
    folder.table("shop", "orders", more=EXPECTATIONS)
    found = checks_of(folder.project, Own(), "eu")
    assert {check.asset_key.to_user_string() for check in found} == {"eu/x/orders"}
    assert len(found) == 3


def test_each_loaded_table_has_a_check_of_rejected_rows(folder: Folder) -> None:
    folder.table("shop", "orders", more=EXPECTATIONS)
    folder.table("shop", "items")
    folder.task("kpis", "sales", "select id from shop.orders")
    rejects = [check for check in all_checks_of(folder.project) if check.name == "rejected_rows"]
    assert {check.asset_key.to_user_string() for check in rejects} == {"shop/orders", "shop/items"}
    assert not any(check.blocking for check in rejects)
    assert all("max_rejected" in (check.description or "") for check in rejects)


class OfRejects(DagsterStarlakeTranslator):
    """Renames the check of rejected rows, and leaves it out for a table."""

    def get_asset_check_spec(self, expectation):
        if expectation.name != "rejected_rows":
            return super().get_asset_check_spec(expectation)
        if expectation.item == "shop.items":
            return None
        return AssetCheckSpec("refused", asset=list(expectation.target))


def test_the_translator_decides_about_the_check_of_rejected_rows(folder: Folder) -> None:
    folder.table("shop", "orders")
    folder.table("shop", "items")
    found = all_checks_of(folder.project, OfRejects(), "eu")
    assert [(check.asset_key.to_user_string(), check.name) for check in found] == [("eu/shop/orders", "refused")]


class OneName(DagsterStarlakeTranslator):
    """Gives all checks one name."""

    def get_asset_check_spec(self, expectation):
        return AssetCheckSpec("same", asset=list(expectation.target))


def test_two_checks_of_one_name_are_refused_naming_both(folder: Folder) -> None:
    folder.table("shop", "orders", more=EXPECTATIONS)
    with pytest.raises(StarlakeError) as caught:
        all_checks_of(folder.project, OneName())
    for part in ("between('id', 0, 5)", "between('id', 0, -5)", "shop.orders", "same", "get_asset_check_spec"):
        assert part in str(caught.value)
