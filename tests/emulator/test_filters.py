"""The filters of lists, and their pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlake_gcp_emulator.errors import Code, RpcError
from starlake_gcp_emulator.state.filters import selected, terms
from starlake_gcp_emulator.state.pages import page

KEYS = st.text("ab_-0", min_size=1, max_size=3)
VALUES = st.text("ab_-0", min_size=1, max_size=3)
SPACES = st.sampled_from(["", " ", "  "])


@given(st.lists(st.tuples(KEYS, VALUES, SPACES, st.booleans()), max_size=4), st.dictionaries(KEYS, VALUES))
def test_a_filter_of_labels_selects_what_has_all_of_them(asked: list, labels: dict[str, str]) -> None:
    text = " AND ".join(f"labels.{k}{s}={s}{f'{chr(34)}{v}{chr(34)}' if quoted else v}" for k, v, s, quoted in asked)
    assert terms(text) == [(f"labels.{key}", value) for key, value, _, _ in asked]
    assert selected(text, labels, {}) == all(labels.get(key) == value for key, value, _, _ in asked)
    assert selected(text, {key: value for key, value, _, _ in asked}, {}) == (
        len({key for key, *_ in asked}) == len({(key, value) for key, value, *_ in asked})
    )


@given(st.text(max_size=30).filter(lambda text: text.strip() and "labels." not in text))
def test_any_other_text_is_refused_in_googles_way(text: str) -> None:
    with pytest.raises(RpcError) as caught:
        selected(text, {"a": "b"}, {})
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_a_label_of_any_value_is_asked_for_by_a_star() -> None:
    assert selected("labels.a = *", {"a": "b"}, {})
    assert not selected("labels.a = *", {"b": "a"}, {})


@given(st.lists(st.integers(), max_size=30), st.integers(0, 12))
def test_pages_hold_every_item_once_and_in_order(items: list[int], size: int) -> None:
    found: list[int] = []
    token = ""
    for _ in range(40):
        shown, token = page(items, size, token, most=7)
        assert len(shown) <= min(size or 7, 7)
        found += shown
        if not token:
            break
    assert found == items


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (1, "x"), (1, "LTE="), (1, "é")])
def test_sizes_and_tokens_that_cannot_be_are_refused(size: int, token: str) -> None:
    with pytest.raises(RpcError) as caught:
        page([1, 2], size, token, most=10)
    assert caught.value.code is Code.INVALID_ARGUMENT
