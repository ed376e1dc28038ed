from __future__ import annotations

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.job import StarlakePreLoadStrategy


def test_the_strategies() -> None:
    assert StarlakePreLoadStrategy.all_strategies() == ["none", "imported", "pending", "ack"]


@pytest.mark.parametrize("text", ["ack", "ACK", " Ack "])
def test_case_and_blanks_do_not_matter(text: str) -> None:
    assert StarlakePreLoadStrategy.is_valid(text)
    assert StarlakePreLoadStrategy.of(text) is StarlakePreLoadStrategy.ACK


def test_nothing_means_none() -> None:
    assert StarlakePreLoadStrategy.of(None) is StarlakePreLoadStrategy.NONE


@pytest.mark.parametrize("strategy", StarlakePreLoadStrategy)
def test_a_strategy_is_its_text(strategy: StarlakePreLoadStrategy) -> None:
    assert StarlakePreLoadStrategy.of(strategy) is strategy
    assert f"{strategy}" == strategy.value == strategy


@pytest.mark.parametrize("text", ["", "acked", "StarlakePreLoadStrategy.ACK"])
def test_what_names_no_strategy_is_an_error_that_lists_them(text: str) -> None:
    assert not StarlakePreLoadStrategy.is_valid(text)
    with pytest.raises(StarlakeError, match="none, imported, pending, ack"):
        StarlakePreLoadStrategy.of(text)
