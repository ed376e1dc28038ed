"""Functions of Spark's SQL give what Spark 3.5 gave: `spark_truths.json` has what it returned for five rows each."""

from __future__ import annotations

import datetime
import decimal
import json
import math
from pathlib import Path

import pytest

from ai.starlake.embedded.checking.python_functions import teach
from ai.starlake.embedded.database.connection import open_database
from ai.starlake.embedded.spark.translation import translated

TRUTHS = json.loads(Path(__file__).with_name("spark_truths.json").read_text(encoding="utf-8"))
ROWS = r"""
CREATE TABLE t AS SELECT * FROM (VALUES
(1, 'AB-123', ' ab c-d ', DATE '2026-02-28', TIMESTAMP '2026-02-28 13:45:59', 10::BIGINT, 2.25::DOUBLE,
    '{"a":{"b":"v","n":1.50},"l":[1,2,{"k":null}],"t":true,"z":null}', 'a:1,b:2', '3,1,2'),
(2, 'B', 'b', DATE '2024-02-29', TIMESTAMP '2024-02-29 00:00:00', 7, 0.5, 'nojson', 'k', 'x,,y'),
(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(4, '', '', DATE '2026-01-31', TIMESTAMP '2026-01-31 23:59:59.123456', -8, 'nan'::DOUBLE, '[1,{"a":"q\"r"}]', '', ''),
(5, 'Été ß', 'x.y|z', DATE '1999-12-31', TIMESTAMP '1999-12-31 23:00:00', 0, -1.5, '{"a":""}', 'c:1,a:2', 'b')
) AS t(i, ref, txt, d, ts, n, x, js, kv, csv)
"""
TEXTS = frozenset({"ref", "txt", "js", "kv", "csv"})


@pytest.fixture(scope="module")
def database():
    with open_database(None) as database:
        database.execute(ROWS)
        yield database


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (bytes, bytearray)):
        return "0x" + bytes(value).hex()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (datetime.date, float)):
        return scalar(value)
    return value


def scalar(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()


def same(left, right):
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return math.isclose(left, right, rel_tol=1e-12, abs_tol=1e-12)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


@pytest.mark.parametrize("part", range(8))
def test_expressions(database, part):
    wrong = {}
    for text in list(TRUTHS)[part::8]:
        query = translated(text, "f", TEXTS)
        teach(database, query)
        found = [plain(value) for (value,) in database.rows(f"SELECT ({query}) FROM t ORDER BY i")]
        if not same(found, TRUTHS[text]):
            wrong[text] = (found, TRUTHS[text])
    assert wrong == {}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("nosuch(txt)", "name nosuch does not exist"),
        ("exists(split(txt, ' '), x -> nosuch(x))", "name nosuch does not exist"),
        ("from_json(txt, 'a int')", "the function from_json cannot be used"),
        ("to_char(n, '999')", "the function to_char cannot be used"),
        ("hash(txt)", "the function hash cannot be used"),
        ("upper(nocolumn)", "nocolumn"),
    ],
)
@pytest.mark.parametrize("where", ["script", "filter"])
def test_an_expression_that_cannot_be_used_is_named_with_its_place(shop, script, reason, where):
    column = {"name": "y", "type": "string", **({"script": script} if where == "script" else {})}
    more = {"filter": f"{script} = 'x'"} if where == "filter" else {}
    shop.table("rows", [{"name": "txt", "type": "string"}, column], **more)
    file = shop.root / "metadata/load/shop/rows.sl.yml"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=1))
    line = next(number for number, one in enumerate(file.read_text().splitlines(), 1) if script in one)
    shop.put("rows1.csv", "txt\na\n")
    (failure,) = shop.engine.load().failures
    assert reason in failure.error
    assert f"{file}:{line}" in failure.error
    assert "zztmp" not in failure.error
    assert shop.files() == ["stage/shop/rows1.csv"]


def test_scripts_run_in_a_load_as_spark_runs_them(shop):
    scripts = {
        "size": ("int", "size(split(txt, ' '))"),
        "json": ("string", "to_json(named_struct('a', n, 'b', txt))"),
        "found": ("boolean", "exists(split(txt, '-'), x -> x = 'B')"),
        "part": ("string", "str_to_map(txt, '-', ':')['AB']"),
        "odd": ("boolean", "isnull(txt) or isnan(n)"),
        "inner": ("string", "get_json_object(txt, '$.a')"),
    }
    computed = [{"name": name, "type": kind, "script": script} for name, (kind, script) in scripts.items()]
    shop.table("rows", [{"name": "n", "type": "long"}, {"name": "txt", "type": "string"}, *computed])
    shop.put("rows1.csv", "n,txt\n1,AB:7-B\n,\n")
    assert not shop.engine.load().failures
    assert shop.rows() == [
        (1, "AB:7-B", 1, '{"a":1,"b":"AB:7-B"}', True, "7", False, None),
        (None, None, -1, "{}", None, None, True, None),
    ]
