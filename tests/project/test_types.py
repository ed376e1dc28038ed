"""The types that every project has."""

import re

import pytest

from ai.starlake.project import PrimitiveType, java_pattern
from ai.starlake.project.reading.type_files import default_types

BY_PATTERN = [
    each for each in default_types().values() if each.primitive_type.value not in ("date", "timestamp", "struct")
]


def test_primitive_types_and_columns():
    types = default_types()
    assert {
        name: (types[name].primitive_type.value, types[name].ddl_mapping["duckdb"]) for name in ("int", "long")
    } == {
        "int": ("long", "INTEGER"),
        "long": ("long", "BIGINT"),
    }
    assert types["struct"].primitive_type is PrimitiveType.STRUCT
    assert types["iso_instant"].pattern == "ISO_INSTANT"


@pytest.mark.parametrize("each", BY_PATTERN, ids=lambda each: each.name)
def test_the_sample_of_a_type_matches_its_pattern(each):
    patterns = each.pattern.split("<-TF->")
    assert any(java_pattern(f"(?s){pattern}").fullmatch(each.sample) for pattern in patterns)


def test_every_type_with_a_column_says_which():
    assert all(re.fullmatch(r"[A-Z]+(\(\d+,\d+\))?", each.ddl_mapping["duckdb"]) for each in BY_PATTERN)
