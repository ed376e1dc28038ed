"""Files without ``version: 1`` keep their meaning, and each change is reported."""

import pytest

from ai.starlake.project import Project, ProjectError


def _table(files, text: str):
    files.write("load/shop/rows.sl.yml", text)
    project = files.read()
    return project.table("shop", "rows"), [str(finding.message) for finding in project.findings]


@pytest.mark.parametrize(
    ("metadata", "strategy", "told"),
    [
        ("write: OVERWRITE", "OVERWRITE", "write: OVERWRITE is read as"),
        ("write: ERROR_IF_EXISTS", "APPEND", "write: ERROR_IF_EXISTS is read as"),
        ("writeStrategy: {type: UPSERT_BY_KEY, key: [id]}", "DELETE_THEN_INSERT", "UPSERT_BY_KEY is read as"),
        (
            "sink: {type: BQ, dynamicPartitionOverwrite: true, partition: {attributes: [id]}}",
            "OVERWRITE_BY_PARTITION",
            "dyn",
        ),
        ("mode: FILE", None, "mode means nothing"),
    ],
)
def test_metadata(files, metadata, strategy, told):
    table, messages = _table(
        files, f"table:\n  name: rows\n  pattern: .*\n  metadata:\n    {metadata}\n  attributes:\n  - name: id\n"
    )
    assert table.metadata.write_strategy.type == strategy
    assert any(message.startswith(told) for message in messages)


def test_schema_was_the_name_of_table(files):
    table, messages = _table(files, "schema: {name: rows, pattern: .*, attributes: [{name: id}]}")
    assert table.name == "rows"
    assert messages == ["schema is read as table"]


def test_merge_was_a_write_strategy(files):
    text = "table: {{name: rows, pattern: .*, merge: {{key: [id]{0}}}, attributes: [{{name: id}}, {{name: t}}]}}"
    table, _ = _table(files, text.format(""))
    assert (table.metadata.write_strategy.type, table.metadata.write_strategy.key) == ("DELETE_THEN_INSERT", ("id",))
    table, _ = _table(files, text.format(", timestamp: t"))
    assert table.metadata.write_strategy.type == "UPSERT_BY_KEY_AND_TIMESTAMP"


def test_a_table_of_version_1_is_left_as_it_is(files):
    table, messages = _table(
        files,
        "version: 1\ntable: {name: rows, pattern: .*, attributes: [{name: id}],"
        " metadata: {writeStrategy: {type: UPSERT_BY_KEY, key: [id]}}}",
    )
    assert table.metadata.write_strategy.type == "UPSERT_BY_KEY"
    assert messages == []


def test_old_keys_in_a_table_of_version_1_are_unknown(files):
    with pytest.raises(ProjectError, match="write is not a known key"):
        _table(files, "version: 1\ntable: {pattern: .*, attributes: [{name: id}], metadata: {write: OVERWRITE}}")


def test_tasks(files):
    files.write(
        "transform/mart/t.sl.yml", "sql: SELECT 1 AS id\ndataset: other\nwrite: OVERWRITE\nattributesDesc: [{name: id}]"
    )
    project = files.read()
    task = project.task("mart.t")
    assert (task.table, task.write_strategy.type, task.attributes[0].name) == ("other", "OVERWRITE", "id")
    assert {(finding.line, finding.message.split(" ")[0]) for finding in project.findings} >= {
        (2, "dataset"),
        (3, "write:"),
        (4, "attributesDesc"),
    }


def test_lines_in_messages_are_those_of_the_old_file(files):
    files.write(
        "load/shop/rows.sl.yml", "schema:\n  name: rows\n  pattern: .*\n  attributes:\n  - name: id\n    type: nope\n"
    )
    with pytest.raises(Exception, match=r"rows\.sl\.yml:6: id has the unknown type nope"):
        files.read().table("shop", "rows")


def test_an_application_without_its_root_key(tmp_path):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "application.sl.yml").write_text("archive: false\n")
    project = Project.read(tmp_path, environment={})
    assert project.application.archive is False
    assert "below application" in project.findings[0].message
