"""The option `dataset_triggering_strategy`: any, all, or an expression over the names of datasets."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration.freshness.triggering import AllOf, AnyOf, Available, condition_of

NAMES = ("sales.orders", "sales.Customers", "hr.sellers", "my-domain.stores", "2024.plan")


def held(strategy, *available):
    return condition_of(strategy, NAMES).holds(set(available))


class TestWords:
    def test_any_is_one_of_them(self):
        assert held("any", "hr.sellers")
        assert not held("any")

    def test_all_is_all_of_them(self):
        assert held(" ALL ", *NAMES)
        assert not held("all", *NAMES[1:])


class TestExpressions:
    def test_and_binds_more_than_or(self):
        text = "sales.orders | hr.sellers & sales.Customers"
        assert held(text, "sales.orders")
        assert held(text, "hr.sellers", "sales.Customers")
        assert not held(text, "hr.sellers")

    def test_parentheses(self):
        text = "sales.orders & (sales.Customers | hr.sellers)"
        assert held(text, "sales.orders", "hr.sellers")
        assert not held(text, "sales.Customers", "hr.sellers")

    @pytest.mark.parametrize(
        "text",
        [
            "sales.orders & sales.Customers",
            "sales.orders && sales.customers",
            "sales.orders and sales.Customers",
            "sales_orders & SALES_CUSTOMERS",
            "'sales.orders' &\n\"sales.Customers\"",
            "((sales.orders) & (sales.Customers))",
        ],
    )
    def test_spellings_of_the_same(self, text):
        assert condition_of(text, NAMES) == AllOf((Available("sales.orders"), Available("sales.Customers")))

    def test_names_with_other_characters_stand_in_quotes(self):
        assert held("'my-domain.stores' & '2024.plan'", "my-domain.stores", "2024.plan")
        assert held("my_domain_stores", "my-domain.stores")

    def test_a_thousand_datasets(self):
        names = [f"d.t{number}" for number in range(1_000)]
        condition = condition_of(" & ".join(names), names)
        assert condition.holds(set(names))
        assert not condition.holds(set(names[1:]))

    def test_it_is_shown_as_it_can_be_read_again(self):
        text = "(sales.orders | hr.sellers) & sales.Customers"
        assert str(condition_of(text, NAMES)) == text


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("sales.order & hr.sellers", "did you mean sales.orders"),
            ("unknown", "does not depend on unknown, but on sales.orders"),
            ("sales.orders &", "not complete"),
            ("", "empty"),
            ("sales.orders + hr.sellers", "neither the name of a dataset nor"),
            ("!sales.orders", "not understood from character 1 on"),
            ("not sales.orders", "neither the name of a dataset nor"),
            ("f(sales.orders)", "neither the name of a dataset nor"),
            ("my-domain.stores", "neither the name of a dataset nor"),
            ("2024.plan", "not understood from character"),
            ("1 & 2", "neither the name of a dataset nor"),
            ("(" * 500 + "sales.orders" + ")" * 500, "is not accepted"),
        ],
    )
    def test_what_is_wrong_is_said(self, text, reason):
        with pytest.raises(StarlakeError) as caught:
            condition_of(text, NAMES)
        assert reason in str(caught.value)
        assert "option dataset_triggering_strategy" in str(caught.value)
        assert "write any, all, or an expression" in str(caught.value)

    def test_a_name_of_two_datasets_is_none(self):
        assert condition_of("a_b", ["a.b", "A.B"]) == Available("a.b")
        with pytest.raises(StarlakeError, match=r"may be a\.b or A\.B"):
            condition_of("A_b", ["a.b", "A.B"])


conditions = st.recursive(
    st.sampled_from(NAMES).map(Available),
    lambda parts: st.one_of(
        st.lists(parts, min_size=2, max_size=3).map(lambda found: AllOf(tuple(found))),
        st.lists(parts, min_size=2, max_size=3).map(lambda found: AnyOf(tuple(found))),
    ),
    max_leaves=12,
)


def written(condition):
    if isinstance(condition, Available):
        return repr(condition.name)
    operator = " & " if isinstance(condition, AllOf) else " | "
    return operator.join(f"({written(part)})" for part in condition.parts)


@given(conditions, st.sets(st.sampled_from(NAMES)))
def test_an_expression_means_what_it_says(condition, available):
    assert condition_of(written(condition), NAMES).holds(available) == condition.holds(available)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_an_error_of_ours(text):
    with suppress(StarlakeError):
        assert isinstance(condition_of(text, NAMES), (Available, AllOf, AnyOf))
