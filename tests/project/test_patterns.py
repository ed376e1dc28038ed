"""Java's regular expressions in Python."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.project import java_pattern


@pytest.mark.parametrize(
    ("pattern", "match", "no_match"),
    [
        (r"orders-\d{8}\.csv", "orders-20240101.csv", "orders-2024010.csv"),
        (r"rows.*", "rows", "my-rows"),
        (r"(?i)true|yes", "YES", "no"),
        (r"a(?i)b|c", "C", "Ab"),
        (r"(a(?i)b)c", "aBc", "aBC"),
        (r"\Qa.b\E.*", "a.bx", "axbx"),
        (r"\Q[(", "[(", "["),
        (r"(?<y>\d{4})-\k<y>", "2024-2024", "2024-2025"),
        (r"(?<=a)b|ab", "ab", "b"),
        (r"\p{Alpha}+", "abc", "ab1"),
        (r"\P{Alpha}+", "12", "a"),
        (r"\p{L}+", "été", "e1"),
        (r"[\p{Digit}x]+", "1x2", "y"),
        (r"\d+", "12", "१२"),
        (r"[-|\+|0-9][0-9]*", "+12", "1.2"),
        (r"a\z", "a", "a\n"),
        (r"[a(]b[)]", "(b)", "b"),
    ],
)
def test_meaning(pattern, match, no_match):
    assert java_pattern(pattern).fullmatch(match)
    assert not java_pattern(pattern).fullmatch(no_match)


@pytest.mark.parametrize(
    "pattern", ["rows(.csv", "[", "*a", "a{3,2}", r"\p{Nope}", "[a&&b]", "[a-z[0-9]]", "(?-i)a", r"(?<a"]
)
def test_what_cannot_be_used_is_said(pattern):
    with pytest.raises(StarlakeError) as caught:
        java_pattern(pattern)
    assert pattern in str(caught.value).replace("\\\\", "\\")


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_an_error(pattern):
    try:
        compiled = java_pattern(pattern)
    except StarlakeError:
        return
    assert isinstance(compiled, re.Pattern)


@given(st.text(alphabet="ab(|)?:i", max_size=12))
def test_plain_structures_mean_what_they_mean_in_python(pattern):
    """Groups and alternatives without flags are the same in both languages."""
    if "(?" in pattern:
        return
    try:
        expected = re.compile(pattern)
    except re.error:
        with pytest.raises(StarlakeError):
            java_pattern(pattern)
        return
    for text in ("", "a", "ab", "b", "aab", "i:"):
        assert bool(java_pattern(pattern).fullmatch(text)) == bool(expected.fullmatch(text))
