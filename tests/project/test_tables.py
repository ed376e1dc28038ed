"""Domains and tables: defaults, merging, names, errors that say where."""

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.project import Format, Loader, MergeOn, ProjectError


def test_defaults_are_those_of_starlake(shop):
    metadata = shop.read().table("shop", "orders").metadata
    assert (metadata.format, metadata.separator, metadata.quote, metadata.escape) == (Format.DSV, ";", '"', "\\")
    assert (metadata.encoding, metadata.with_header, metadata.array) == ("UTF-8", True, False)
    assert metadata.write_strategy.effective_type == "APPEND"
    assert metadata.write_strategy.on is MergeOn.TARGET
    assert (metadata.loader, metadata.ack) == (Loader.SPARK, None)
    assert (metadata.null_value, metadata.empty_is_null) == (None, True)


def test_a_table_has_the_metadata_of_its_domain_and_application(files):
    files.write(
        "application.sl.yml", "version: 1\napplication: {ack: ack, emptyIsNull: false, dagRef: {load: nightly}}"
    )
    files.write(
        "load/shop/_config.sl.yml",
        """
        version: 1
        load:
          metadata:
            separator: "|"
            format: JSON
            writeStrategy: {type: OVERWRITE}
            options: {skipRows: 2}
        """,
    )
    files.write(
        "load/shop/orders.sl.yml",
        """
        version: 1
        table:
          name: orders
          pattern: .*
          metadata: {format: dsv, ack: done}
          attributes: [{name: id}]
        """,
    )
    metadata = files.read().table("shop", "orders").metadata
    assert (metadata.format, metadata.separator, metadata.ack) == (Format.DSV, "|", "done")
    assert metadata.write_strategy.type == "OVERWRITE"
    assert metadata.options == {"skipRows": "2"}
    assert (metadata.null_value, metadata.empty_is_null, metadata.dag_ref) == (None, False, "nightly")


def test_an_environment_variable_wins_over_the_application_and_loses_to_the_table(shop):
    assert shop.read({"SL_LOADER": "native"}).table("shop", "orders").metadata.loader is Loader.NATIVE
    shop.write("load/shop/_config.sl.yml", "version: 1\nload: {metadata: {loader: spark}}")
    assert shop.read({"SL_LOADER": "native"}).table("shop", "orders").metadata.loader is Loader.SPARK


def test_plain_values_keep_their_text(files):
    files.write(
        "load/shop/t.sl.yml",
        """
        version: 1
        table:
          name: t
          pattern: 1
          metadata: {writeStrategy: {type: UPSERT_BY_KEY, key: [id], on: SOURCE_AND_TARGET}}
          attributes:
            - {name: id, default: 007, comment: 2024-01-01, sample: yes, required: yes, trim: both}
            - {name: on, type: int}
        """,
    )
    table = files.read().table("shop", "t")
    first, second = table.attributes
    assert (table.pattern, first.default, first.comment, first.sample) == ("1", "007", "2024-01-01", "yes")
    assert (first.required, second.name) == (True, "on")
    assert table.metadata.write_strategy.on is MergeOn.SOURCE_AND_TARGET


def test_names_of_domain_and_table(files):
    files.write("load/folder/_config.sl.yml", "version: 1\nload: {name: shop, rename: shop_db}")
    files.write(
        "load/folder/t.sl.yml", "version: 1\ntable: {name: rows, rename: lines, pattern: .*, attributes: [{name: a}]}"
    )
    project = files.read()
    table = project.table("FOLDER", "T")
    assert (table.full_name, table.target, table.file_stem) == ("shop.rows", "shop_db.lines", "t")
    assert project.table("shop", "rows") == project.table("shop_db", "lines") == table
    assert [domain.name for domain in project.domains] == ["shop"]


def test_a_folder_without_tables_is_no_domain(files):
    files.write("load/empty/_config.sl.yml", "version: 1\nload: {name: empty}")
    assert files.read().domains == ()


def test_a_file_belongs_to_a_table_if_all_of_its_name_matches(shop):
    table = shop.read().table("shop", "orders")
    assert table.matches("orders-1.csv")
    assert not table.matches("orders-1.csv.bak")
    assert not table.matches("my-orders-1.csv")
    assert shop.read().domain("shop").table_of("orders-1.csv") == table
    assert shop.read().domain("shop").table_of("other.csv") is None


def test_a_broken_table_beside_does_not_matter(shop):
    shop.write("load/shop/broken.sl.yml", "version: 1\ntable: {name: [odd\n")
    project = shop.read()
    assert project.table("shop", "orders").name == "orders"
    with pytest.raises(ProjectError, match=r"broken\.sl\.yml:\d+: this is not valid YAML"):
        project.domain("shop")


def test_a_broken_config_fails_its_tables(shop):
    shop.write("load/shop/_config.sl.yml", "version: 1\nload: {metadata: {format: NOPE}}")
    with pytest.raises(ProjectError, match=r"_config\.sl\.yml:2: metadata\.format: 'NOPE' is not accepted here"):
        shop.read().table("shop", "orders")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("metadata: {format: CSV}", r"orders\.sl\.yml:5: metadata\.format: 'CSV' is not accepted.*DSV"),
        ("metadata: {writeStrategy: {on: BOTH}}", r":5: .*'BOTH' is not accepted.*SOURCE_AND_TARGET"),
        ("metadata: {withHeader: perhaps}", r":5: metadata\.withHeader: .*boolean"),
        ("metadata: {writeStrategy: {type: SCD3}}", r":5: the write strategy SCD3 does not exist"),
        ("metadata: {writeStrategy: {type: UPSERT_BY_KEY}}", r":5: UPSERT_BY_KEY needs a key"),
        ("metadata: {writeStrategy: {type: SCD2, key: [nope]}}", r":5: nope is not a column"),
        ("metadata: {writeStrategy: {type: OVERWRITE_BY_PARTITION}}", r":5: .*needs a partition"),
        ("attributes: [{name: a, type: itn}]", r":5: a has the unknown type itn"),
        ("attributes: [{name: a}, {name: b, rename: A}]", r":5: two columns are named"),
        ("attributes: [{name: a, type: struct}]", r":5: a is a struct without attributes"),
        ("attributes: []", r"no attributes"),
        ("metadata: {format: POSITION}", r"id has no position"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(files, line, message):
    rest = "" if line.startswith("attributes") else "\n          attributes: [{name: id}]"
    files.write(
        "load/shop/orders.sl.yml",
        f"""
        version: 1
        table:
          name: orders
          pattern: .*
          {line}{rest}
        """,
    )
    with pytest.raises(ProjectError, match=message):
        files.read().table("shop", "orders")


def test_all_errors_of_a_file_come_at_once(files):
    files.write(
        "load/shop/t.sl.yml",
        "version: 1\ntable:\n  pattern: '('\n  attributes:\n    - type: int\n    - {name: b, required: x}\n",
    )
    with pytest.raises(ProjectError) as caught:
        files.read().table("shop", "t")
    assert [(each.line, each.message.partition(":")[0]) for each in caught.value.findings] == [
        (5, "attributes.0.name is missing"),
        (6, "attributes.1.required"),
    ]


@pytest.mark.parametrize(
    ("domain", "table", "hint"), [("shpo", "orders", "did you mean shop"), ("shop", "order", "did you mean orders")]
)
def test_unknown_names_come_with_the_nearest_known_one(shop, domain, table, hint):
    with pytest.raises(StarlakeError, match=hint):
        shop.read().table(domain, table)


def test_a_projects_own_write_strategy(shop):
    shop.write("write-strategies/duckdb/keep_last.j2", "-- own")
    shop.write(
        "load/shop/t.sl.yml",
        """
        version: 1
        table: {name: t, pattern: x, metadata: {writeStrategy: {type: keep_last}}, attributes: [{name: a}]}
        """,
    )
    project = shop.read()
    assert project.table("shop", "t").metadata.write_strategy.type == "KEEP_LAST"
    assert project.write_strategy_templates == {"KEEP_LAST": "-- own"}


def test_format_json_array_is_json_in_an_array(files):
    files.write(
        "load/shop/t.sl.yml",
        "version: 1\ntable: {name: t, pattern: x, metadata: {format: JSON_ARRAY}, attributes: [{name: a}]}",
    )
    metadata = files.read().table("shop", "t").metadata
    assert (metadata.format, metadata.array) == (Format.JSON, True)


def test_the_loader_of_the_connection_counts_before_the_applications(shop):
    shop.write(
        "application.sl.yml",
        "version: 1\napplication: {connectionRef: d, connections: {d: {type: jdbc, loader: native}}}",
    )
    assert shop.read().table("shop", "orders").metadata.loader is Loader.NATIVE


def test_models_are_frozen(shop):
    table = shop.read().table("shop", "orders")
    with pytest.raises(ValueError, match="frozen"):
        table.name = "other"


@pytest.mark.parametrize("name", ["../..", "/abs", "a/b", "..", "."])
def test_a_domain_cannot_put_its_areas_elsewhere(files, name):
    files.write("load/shop/_config.sl.yml", f"version: 1\nload:\n  name: {name!r}\n")
    files.write("load/shop/orders.sl.yml", "version: 1\ntable: {name: orders, pattern: o, attributes: [{name: a}]}\n")
    with pytest.raises(ProjectError, match="cannot be the name of a folder") as caught:
        files.read().table(name, "orders")
    assert [finding.line for finding in caught.value.findings] == [3]
