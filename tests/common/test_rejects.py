"""Limits of rejected rows: rows or percent, read by one function for projects and for orchestrators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common.rejects import RejectLimit


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_rows(limit, rejected, more):
    assert RejectLimit.of(str(limit)).allows(rejected, rejected + more) == (rejected <= limit)
    assert RejectLimit.of(limit) == RejectLimit.of(f" {limit} ")


@given(st.integers(0, 1000), st.integers(0, 10**4), st.integers(0, 10**4))
def test_percent(tenths, rejected, more):
    text = f"{tenths // 10}.{tenths % 10}%"
    assert RejectLimit.of(text).allows(rejected, rejected + more) == (rejected * 1000 <= tenths * (rejected + more))
    assert str(RejectLimit.of(text)) == text


@pytest.mark.parametrize("value", ["", "-1", "-1%", "1.5", "100.1%", "%", "5 rows", "1e3", None, True, [], 0.1])
def test_what_is_no_limit(value):
    with pytest.raises(ValueError, match=r"neither a number of rows|more than 100%|not a whole number"):
        RejectLimit.of(value)
