from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import NameCollisionError, NameRegistry, StarlakeError, sanitize_id
from ai.starlake.common.identifiers import RESERVED_NAMES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("starbake.Customers", "starbake_Customers"),
        ("Customers.CustomerLifeTimeValue", "Customers_CustomerLifeTimeValue"),
        ("my-domain", "my_domain"),
        ("données", "donnees"),
        ("Straße", "Stra_e"),
        ("a b/c", "a_b_c"),
        ("2026", "2026"),
        ("already_valid", "already_valid"),
        ("表", "_"),
    ],
)
def test_names_keep_their_letters_digits_and_case(name: str, expected: str) -> None:
    assert sanitize_id(name) == expected


@given(st.text(min_size=1))
def test_every_text_becomes_a_name_that_dagster_allows(name: str) -> None:
    valid = sanitize_id(name)
    assert re.fullmatch(r"[A-Za-z0-9_]+", valid)
    assert valid not in RESERVED_NAMES


@given(st.text(min_size=1))
def test_a_valid_name_stays_as_it_is(name: str) -> None:
    assert sanitize_id(sanitize_id(name)) == sanitize_id(name)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_names_that_dagster_reserves_get_an_underscore(name: str) -> None:
    assert sanitize_id(name) == f"{name}_"


@pytest.mark.parametrize("name", ["\u0301", "\u0301\u0302"])
def test_a_name_of_nothing_but_accents_still_names_something(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]+", sanitize_id(name))


def test_an_empty_name_is_an_error() -> None:
    with pytest.raises(StarlakeError, match="the name is empty"):
        sanitize_id("")


def test_a_second_source_for_a_name_is_an_error_that_names_both() -> None:
    names = NameRegistry()
    names.claim("a_b_c", "a.b_c", "the table a.b_c")
    with pytest.raises(NameCollisionError) as caught:
        names.claim("a_b_c", "a_b.c", "the table a_b.c")
    assert "the table a.b_c" in str(caught.value)
    assert "the table a_b.c" in str(caught.value)
    assert "'a_b_c'" in str(caught.value)
    assert caught.value.name == "a_b_c"
    assert caught.value.fix


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=20))
def test_a_name_belongs_to_the_first_source_that_claims_it(claims: list[tuple[str, int]]) -> None:
    names = NameRegistry()
    owners: dict[str, int] = {}
    for name, source in claims:
        if owners.setdefault(name, source) == source:
            names.claim(name, source, str(source))
        else:
            with pytest.raises(NameCollisionError):
                names.claim(name, source, str(source))
