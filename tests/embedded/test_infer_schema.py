"""``infer-schema``: the metadata that a sample becomes, and that loads of the sample accept all of its rows."""

import csv
import io
import json
import tempfile
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.embedded import Engine
from ai.starlake.embedded.cli.main import run
from ai.starlake.embedded.inference import Request, infer_schema
from ai.starlake.embedded.inference.naming import file_pattern, table_name
from ai.starlake.project import Project, Table, java_pattern
from tests.stored_rows import rows_in


class Shop:
    """An empty project with a landing area."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.landing = root / "datasets" / "incoming" / "shop"
        self.landing.mkdir(parents=True)
        (root / "metadata").mkdir()

    def sample(self, name: str, content: str | bytes) -> Path:
        file = self.landing / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def project(self) -> Project:
        return Project.read(self.root, environment={})

    def infer(self, file: Path, **request: object) -> Table:
        """Infers, and gives back the table as it is read from what was written."""
        found = infer_schema(self.project(), Request(file, **{"domain": "shop", **request}))
        written = next(domain for domain in self.project().domains if domain.name == found.table.domain)
        return next(table for table in written.tables if table.name == found.table.name)

    def load(self) -> tuple[int, int]:
        """Stages and loads everything; rows accepted and rejected."""
        engine = Engine.open(self.root, environment={})
        engine.stage()
        result = engine.load()
        assert [job.error for job in result.failures] == []
        return result.accepted_count, result.rejected_count

    def rows(self, query: str) -> list[tuple]:
        return rows_in(self.root / "datasets" / "duckdb.db", query)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def types(table: Table) -> dict[str, str]:
    return {attribute.name: attribute.type + ("[]" if attribute.array else "") for attribute in table.attributes}


def test_csv(shop: Shop) -> None:
    file = shop.sample(
        "orders-20260101.csv",
        'id;name;day;paid;price;at;code\n1;"a;b";2026-01-02;true;1.5;2026-01-01T10:00:00Z;007\n2;;;false;2;;008\n',
    )
    table = shop.infer(file)
    assert table.full_name == "shop.orders"
    assert table.pattern == r"orders-.*\.csv"
    assert (table.metadata.separator, table.metadata.with_header) == (";", True)
    assert types(table) == {
        "id": "long",
        "name": "string",
        "day": "date",
        "paid": "boolean",
        "price": "double",
        "at": "iso_instant",
        "code": "string",
    }
    assert shop.load() == (2, 0)
    assert shop.rows("SELECT id, name, code FROM shop.orders ORDER BY id") == [(1, "a;b", "007"), (2, None, "008")]


def test_no_header_line_breaks_and_a_preface(shop: Shop) -> None:
    plain = shop.infer(shop.sample("plain.csv", "1,2\n3,4\n"))
    assert plain.metadata.with_header is False
    assert list(types(plain)) == ["column0", "column1"]
    broken = shop.infer(shop.sample("broken.csv", 'id,text\n1,"two\nlines"\n2,one\n'))
    assert broken.metadata.multiline is True
    preface = shop.infer(shop.sample("preface.csv", "written by hand\na|b\n1|2\n"))
    assert preface.metadata.options == {"skipRows": "1"}
    assert shop.load() == (5, 0)
    assert shop.rows("SELECT text FROM shop.broken WHERE id = 1") == [("two\nlines",)]


def test_rows_of_changing_length_are_rows(shop: Shop) -> None:
    table = shop.infer(shop.sample("ragged.csv", "a,b\n1,2\n3\n4,5\n"))
    assert list(types(table)) == ["a", "b"]
    longer = shop.infer(shop.sample("longer.csv", "a,b\n1,2\n3\n4,5,6\n"))
    assert len(longer.attributes) >= 2
    assert shop.load() == (5, 1)


def test_a_header_that_names_a_column_twice_is_skipped(shop: Shop) -> None:
    table = shop.infer(shop.sample("twice.csv", "id,id,\n1,2,3\n"))
    assert (table.metadata.with_header, table.metadata.options) == (False, {"skipRows": "1"})
    assert shop.load() == (1, 0)
    assert shop.rows("SELECT * FROM shop.twice") == [(1, 2, 3)]


def test_other_encodings(shop: Shop) -> None:
    file = shop.sample("towns.csv", "id,town\n1,Orléans\n".encode("latin-1"))
    assert shop.infer(file, encoding="ISO-8859-1").metadata.encoding == "ISO-8859-1"
    assert shop.load() == (1, 0)
    assert shop.rows("SELECT town FROM shop.towns") == [("Orléans",)]


def test_json_with_structs_and_arrays(shop: Shop) -> None:
    documents = [
        {"id": 1, "who": {"name": "Ada", "born": "1815-12-10"}, "tags": ["a"], "lines": [{"n": 1, "price": 2.5}]},
        {"id": 2, "who": None, "tags": [], "lines": []},
    ]
    table = shop.infer(shop.sample("orders.json", "\n".join(map(json.dumps, documents))))
    assert types(table) == {"id": "long", "who": "struct", "tags": "string[]", "lines": "struct[]"}
    assert {field.name: field.type for field in table.attributes[1].attributes} == {"name": "string", "born": "date"}
    assert {field.name: field.type for field in table.attributes[3].attributes} == {"n": "long", "price": "double"}
    assert shop.load() == (2, 0)
    query = "SELECT who.born, lines[1].price FROM shop.orders WHERE id = 1"
    assert shop.rows(query) == [(date(1815, 12, 10), 2.5)]


def test_json_array_and_document_over_lines(shop: Shop) -> None:
    array = shop.infer(shop.sample("array.json", json.dumps([{"a": 1}, {"a": 2}], indent=1)))
    assert array.metadata.array is True
    document = shop.infer(shop.sample("document.json", json.dumps({"a": {"b": 1}}, indent=1)))
    assert document.metadata.multiline is True
    assert shop.load() == (3, 0)


def test_json_of_changing_shape_is_a_variant(shop: Shop) -> None:
    table = shop.infer(shop.sample("odd.json", '{"a": {"b": 1}}\n{"a": 3}\n{"a": [1]}\n'))
    assert types(table) == {"a": "variant"}
    assert shop.load() == (3, 0)


def test_parquet(shop: Shop) -> None:
    file = shop.landing / "items_1.parquet"
    select = (
        "SELECT 1::INTEGER AS small, 2::BIGINT AS big, 1.25::DECIMAL(10, 2) AS price, DATE '2026-01-02' AS day, "
        "TIMESTAMP '2026-01-02 10:00:00.123' AS at, {'a': [1, 2]} AS nested, MAP {'k': 1} AS pairs, "
        "TIME '10:00' AS time"
    )
    duckdb.sql(f"COPY ({select}) TO '{file}' (FORMAT parquet)")
    table = shop.infer(file)
    assert types(table) == {
        "small": "int",
        "big": "long",
        "price": "decimal",
        "day": "date",
        "at": "timestamp",
        "nested": "struct",
        "pairs": "variant",
        "time": "string",
    }
    assert shop.load() == (1, 0)
    assert shop.rows("SELECT price, nested.a FROM shop.items")[0][1] == [1, 2]


def test_the_types_of_the_project_decide(shop: Shop) -> None:
    (shop.root / "metadata" / "types").mkdir()
    file = shop.root / "metadata" / "types" / "types.sl.yml"
    file.write_text("version: 1\ntypes:\n  - {name: long, primitiveType: long, pattern: '[0-9]{2}'}\n")
    assert types(shop.infer(shop.sample("ones.csv", "n\n1\n"))) == {"n": "decimal"}
    assert types(shop.infer(shop.sample("tens.csv", "n\n10\n"))) == {"n": "long"}
    assert shop.load() == (2, 0)


def test_names_that_look_like_templates(shop: Shop) -> None:
    table = shop.infer(shop.sample("braces.json", '{"{{SL_ROOT}}": 1, "{% raw": 2, "null": 3, "a: b": 4}\n'))
    assert list(types(table)) == ["{{SL_ROOT}}", "{% raw", "null", "a: b"]
    assert shop.load() == (1, 0)


def test_the_landing_area_of_a_new_domain_is_there_and_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sample from elsewhere: files in the reported folder are staged and loaded."""
    monkeypatch.setenv("SL_ROOT", str(shop.root))
    sample = shop.root / "from" / "sales" / "orders.csv"
    sample.parent.mkdir(parents=True)
    sample.write_text("a,b\n1,2\n")
    assert run(["infer-schema", "--input", str(sample)]) == 0
    landing = shop.root / "datasets/incoming/sales"
    assert f"Files of sales land in {landing}" in capsys.readouterr().out
    sample.rename(landing / "orders.csv")
    assert shop.load() == (1, 0)


def test_replaces_nothing_unless_told(shop: Shop) -> None:
    file = shop.sample("rows.csv", "a\n1\n")
    shop.infer(file)
    config = shop.root / "metadata" / "load" / "shop" / "_config.sl.yml"
    config.write_text(config.read_text() + "  comment: by hand\n")
    with pytest.raises(StarlakeError, match=r"rows\.sl\.yml exists already"):
        shop.infer(file)
    assert shop.infer(file, clean=True, write="overwrite").metadata.write_strategy.type == "OVERWRITE"
    assert "by hand" in config.read_text()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", "", "has no columns"),
        ("doc.xml", "<a/>", "XML file cannot be inferred"),
        ("rows.csv.gz", b"\x1f\x8b\x08", "is an archive"),
        ("list.json", "[1, 2]", "no JSON objects"),
        ("broken.json", '{"a": ', "cannot be read as JSON"),
        ("cases.json", '{"id": 1}\n{"ID": 2}\n', "the keys ID and id of cases.json differ in case alone"),
        ("noise.csv", bytes(range(256)) * 8, "is not UTF-8 at byte 129"),
        ("2026.csv", "a\n1\n", "cannot be the name of a table"),
    ],
)
def test_samples_that_cannot_be_used(shop: Shop, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(StarlakeError, match=message):
        shop.infer(shop.sample(name, content))
    assert not (shop.root / "metadata" / "load").exists()


def test_command(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SL_ROOT", str(shop.root))
    file = shop.sample("orders_2.csv", "a,b\n1,2\n")
    other = shop.root / "elsewhere"
    assert run(["infer-schema", "--input", str(file), "--outputDir", str(other), "--table", "bought"]) == 0
    assert "shop.bought: 2 columns" in capsys.readouterr().out
    assert sorted(path.name for path in (other / "shop").iterdir()) == ["_config.sl.yml", "bought.sl.yml"]
    assert run(["infer-schema", "--input", str(file)]) == 0
    assert run(["infer-schema", "--input", str(file), "--table", "more"]) == 0
    assert "shop.orders matches orders_2.csv, too" in capsys.readouterr().err
    assert run(["infer-schema", "--input", str(shop.root / "nothing.csv"), "--domain", "shop"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert run(["infer-schema", "--input", str(file), "--table", "../up"]) == 1
    assert run(["infer-schema", "--input", str(file), "--table", "other", "--write", "SCD2"]) == 1


@pytest.mark.parametrize(
    ("name", "table", "pattern"),
    [
        ("orders-20260101.csv", "orders", r"orders-.*\.csv"),
        ("orders_2026-01-01T10.csv", "orders", r"orders_.*\.csv"),
        ("orders.csv", "orders", r"orders.*\.csv"),
        ("2026_order_lines_12.json", "order_lines", r".*_order_lines_.*\.json"),
        ("mp3s.csv", "mp3s", r"mp3s.*\.csv"),
        ("u16_12ab.csv", "u16_12ab", r"u16_12ab.*\.csv"),
        ("orders", "orders", "orders.*"),
    ],
)
def test_names(name: str, table: str, pattern: str) -> None:
    assert (table_name(name), file_pattern(name)) == (table, pattern)


@given(st.text(st.characters(exclude_characters="/\0\n", exclude_categories=["Cs"]), min_size=1))
def test_a_pattern_matches_the_name_it_is_from(name: str) -> None:
    assert java_pattern(file_pattern(name)).fullmatch(name)


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)
_VALUES = [
    st.integers(-(2**70), 2**70).map(str),
    st.integers(-300, 300).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.booleans().map(str),
    st.dates(date(1600, 1, 1)).map(str),
    st.dates(date(1600, 1, 1)).map(lambda day: f"{day} 10:00:00"),
    _TEXTS,
]
_COLUMNS = st.lists(st.sampled_from(_VALUES), min_size=2, max_size=4)
_SAMPLES = 30
"""Each is inferred and loaded, which takes half a second."""


@pytest.mark.slow
@settings(max_examples=_SAMPLES)
@given(st.data(), _COLUMNS, st.sampled_from(",;|\t"))
def test_loads_of_a_csv_sample_reject_nothing(data: st.DataObject, columns: list, separator: str) -> None:
    empty = st.just("")
    rows = data.draw(st.lists(st.tuples(*(kind | empty for kind in columns)), min_size=1, max_size=8))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow([f"column{place}" for place in range(len(columns))])
    writer.writerows(rows)
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        shop.infer(shop.sample("rows.csv", out.getvalue()))
        assert shop.load()[1] == 0


_NAMES = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=5)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3), max_leaves=6
)


def keys_beside_each_other(documents: list[dict]) -> list[set[str]]:
    """Return the keys of the documents, and of all objects in each place below them."""
    found = [{name for each in documents for name in each}]
    values = [value for each in documents for value in each.values()]
    while values:
        objects = [value for value in values if isinstance(value, dict)]
        found.append({name for each in objects for name in each})
        nested = [list(value.values()) if isinstance(value, dict) else value for value in values]
        values = [inner for value in nested if isinstance(value, list) for inner in value]
    return found


@pytest.mark.slow
@settings(max_examples=_SAMPLES)
@given(st.lists(st.dictionaries(_NAMES, _JSON, min_size=1, max_size=3), min_size=1, max_size=4))
def test_loads_of_a_json_sample_reject_nothing(documents: list[dict]) -> None:
    assume(all(len(each) == len({name.lower() for name in each}) for each in keys_beside_each_other(documents)))
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        shop.infer(shop.sample("documents.json", "\n".join(map(json.dumps, documents))))
        assert shop.load() == (len(documents), 0)
