from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common.written_values import NotAPairError, comma_list, comma_pairs, json_object

WORD = st.text(st.characters(exclude_characters=",=", exclude_categories=["Z", "C"]), min_size=1)


@given(st.lists(WORD))
def test_a_list_is_read_as_it_is_written(words: list[str]) -> None:
    assert comma_list(" , ".join([*words, ""])) == tuple(words)


@given(st.dictionaries(WORD, st.text(st.characters(exclude_characters=","))))
def test_pairs_are_read_as_they_are_written(pairs: dict[str, str]) -> None:
    assert comma_pairs(", ".join(f"{name}={value}" for name, value in pairs.items())) == pairs


def test_the_last_of_two_pairs_of_one_name_counts() -> None:
    assert comma_pairs("a=1,a=2,") == {"a": "2"}


@pytest.mark.parametrize(("text", "item"), [("a", "a"), ("a=1, b", " b"), ("=1", "=1"), (" =1", " =1")])
def test_an_item_that_is_not_a_pair_is_named(text: str, item: str) -> None:
    with pytest.raises(NotAPairError) as caught:
        comma_pairs(text)
    assert caught.value.item == item


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", {}), (" ", {}), ('{"a": [1]}', {"a": [1]}), ({"a": 1}, {"a": 1}), ({1: "x"}, {"1": "x"})],
)
def test_objects_are_read_from_text_and_from_mappings(value: Any, expected: dict[str, Any]) -> None:
    assert json_object(value) == expected


@pytest.mark.parametrize("value", ['{"password": "MARK"', "[1]", '"MARK"', 5, None])
def test_what_is_not_an_object_is_refused_and_not_shown(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON") as caught:
        json_object(value)
    assert "MARK" not in str(caught.value)
