"""The templates that come with the package: found by name, escaped, and as large as what they are made of."""

from __future__ import annotations

import ast
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.project import Project
from ai.starlake.project.dag_generation import generate
from ai.starlake.project.dag_generation.templates import docstring, literal

PLACES = ("shell", "embedded", "cloud_run", "dataproc", "warm")
NASTY = 'it\'s "quoted" \\ {braces} """ \'end\''


def write(root: Path, name: str, text: str) -> None:
    file = root / "metadata" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def a_project(root: Path, place: str = "shell", comment: str = "Loads", options: str = "{}") -> Path:
    write(root, "application.sl.yml", "version: 1\napplication: {dagRef: {load: loads, transform: tasks}}")
    table = "version: 1\ntable: {name: orders, pattern: orders.*, attributes: [{name: id, type: int}]}"
    write(root, "load/shop/orders.sl.yml", table)
    write(
        root, "load/shop/_config.sl.yml", "version: 1\nload: {name: shop, rename: store, metadata: {schedule: daily}}"
    )
    write(root, "transform/mart/daily.sql", "SELECT * FROM store.orders")
    for kind, template in (("loads", "load/dagster__scheduled_table"), ("tasks", "transform/dagster__scheduled_task")):
        write(
            root,
            f"dags/{kind}.sl.yml",
            f"version: 1\ndag:\n  template: {template}__{place}.py.j2\n  filename: {kind}.py\n"
            f"  comment: {comment}\n  options: {options}\n",
        )
    return root


def generated(root: Path) -> dict[str, str]:
    return {file.name: file.text for file in generate(Project.read(root, environment={}))}


def assigned(text: str, name: str) -> Any:
    """Return the value of a variable of a file that is a literal."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


@pytest.mark.parametrize("place", PLACES)
def test_each_place_has_a_template_for_loads_and_one_for_tasks(tmp_path: Path, place: str) -> None:
    files = generated(a_project(tmp_path, place))
    assert sorted(files) == ["loads.py", "tasks.py"]
    for text in files.values():
        ast.parse(text)
        assert f"execution_environment = StarlakeExecutionEnvironment.{place.upper()}\n" in text


def test_what_a_load_file_says_of_its_tables(tmp_path: Path) -> None:
    text = generated(a_project(tmp_path))["loads.py"]
    assert 'StarlakeTable(name="orders", final_name="orders"),' in text
    assert 'name="shop",\n                final_name="store",' in text
    assert 'name=None,\n        cron="0 0 * * *",' in text


def test_schedules_have_names_where_there_are_several(tmp_path: Path) -> None:
    root = a_project(tmp_path)
    other = "version: 1\ntable: {name: lines, pattern: l.*, metadata: {schedule: 5 4 * * *}, attributes: [{name: i}]}"
    write(root, "load/shop/lines.sl.yml", other)
    text = generated(root)["loads.py"]
    assert 'name="cron1",\n        cron="5 4 * * *",' in text
    assert 'name="daily",\n        cron="0 0 * * *",' in text


def test_nothing_in_a_project_breaks_a_file(tmp_path: Path) -> None:
    quoted = NASTY.replace("'", "''")
    root = a_project(tmp_path, comment=f"'{quoted}'", options=f"{{note: '{quoted}', \"it's\": x}}")
    for text in generated(root).values():
        assert assigned(text, "description") == NASTY
        assert assigned(text, "options") == {"note": NASTY, "it's": "x", "SL_TIMEZONE": "UTC"}
        assert (ast.get_docstring(ast.parse(text)) or "").startswith(NASTY)


def test_a_projects_own_template_goes_before_ours(tmp_path: Path) -> None:
    root = a_project(tmp_path)
    write(root, "dags/templates/load/dagster__scheduled_table__shell.py.j2", "# mine")
    assert generated(root)["loads.py"] == "# mine\n"


def test_a_projects_own_template_may_extend_ours(tmp_path: Path) -> None:
    root = a_project(tmp_path)
    write(
        root,
        "dags/templates/load/dagster__scheduled_table__shell.py.j2",
        "{% set environment = 'SHELL' %}{% extends 'dagster/load.py.j2' %}"
        "{% block pipelines %}{{ super() }}\n# {{ pipelines_of | default('') }}mine{% endblock %}",
    )
    text = generated(root)["loads.py"]
    assert text.endswith("# mine\n")
    assert "StarlakeTable(" in text


def test_a_template_of_starlake_finds_its_parts_in_the_project(tmp_path: Path) -> None:
    root = a_project(tmp_path)
    name = "load/dagster__scheduled_table__shell.py.j2"
    write(root, f"dags/templates/{name}", "{% include 'templates/dags/load/__scheduled_table_tpl.py.j2' %}")
    write(root, "dags/templates/load/__scheduled_table_tpl.py.j2", "{% include 'templates/dags/__part.py' %} # loads")
    write(root, "dags/templates/__part.py", "part = 1")
    assert generated(root)["loads.py"] == "part = 1 # loads\n"
    (root / "metadata/dags/templates/__part.py").unlink()
    with pytest.raises(StarlakeError, match=r"templates/dags/__part\.py"):
        generated(root)


def test_hooks_of_the_project_come_before_the_job(tmp_path: Path) -> None:
    root = a_project(tmp_path)
    write(root, "dags/templates/dagster/own.py.j2", "\nspark_properties = {'a': 'b'}\n")
    for text in generated(root).values():
        assert text.index("spark_properties = ") < text.index("sl_job = ")


def test_a_variable_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    root = a_project(tmp_path)
    write(root, "dags/templates/dagster/own.py.j2", "\nx = {{ nothing | literal }}\n")
    with pytest.raises(StarlakeError, match=r"own.py.j2:2: the variable nothing is not defined"):
        generated(root)


def test_a_misspelt_key_of_the_context_is_an_error_with_its_file_and_line(tmp_path: Path) -> None:
    root = a_project(tmp_path)
    text = "# mine\n# {{ context.konfig.comment }}\nx = {{ context.config.optins | length }}\n"
    write(root, "dags/templates/load/dagster__scheduled_table__shell.py.j2", text)
    with pytest.raises(StarlakeError, match=r"dagster__scheduled_table__shell.py.j2:3: the variable optins is not"):
        generated(root)


def layered(root: Path, width: int, depth: int) -> Path:
    """Tasks that each read all of the layer below; the lowest read the table."""
    a_project(root)
    for level in range(depth):
        below = [f"mart.t{level - 1}_{number}" for number in range(width)] if level else ["store.orders"]
        sql = "SELECT * FROM " + " CROSS JOIN ".join(below)
        for number in range(width):
            write(root, f"transform/mart/t{level}_{number}.sql", sql)
    return root


def test_tasks_stand_once_after_all_that_they_read(tmp_path: Path) -> None:
    text = generated(layered(tmp_path, 3, 3))["tasks.py"]
    tables, tasks = assigned(text, "tables"), assigned(text, "tasks")
    names = [*tables, *tasks]
    assert len(names) == len(set(names)) == 1 + 9 + 1
    for level in range(1, 3):
        for number in range(3):
            below = [names.index(f"mart.t{level - 1}_{other}") for other in range(3)]
            assert max(below) < names.index(f"mart.t{level}_{number}")
    assert text.count('"mart.t1_0": {') == 1
    assert tasks["mart.t1_0"] == {"reads": ["mart.t0_0", "mart.t0_1", "mart.t0_2"]}
    # the table that is loaded by another file is named as its dependents know it
    assert tables == {"shop.orders": {"cron": "0 0 * * *"}}


def test_layers_that_unfold_to_ten_billion_nodes_take_no_longer_than_they_are_long(tmp_path: Path) -> None:
    root = layered(tmp_path, 10, 10)
    started = time.process_time()
    text = generated(root)["tasks.py"]
    assert time.process_time() - started < 20
    assert len(assigned(text, "tables")) + len(assigned(text, "tasks")) == 102
    assert len(text) < 60_000


@given(st.text())
def test_a_text_becomes_itself_again(text: str) -> None:
    source = literal(text)
    assert ast.literal_eval(source) == text
    assert "\n" not in source


@given(st.lists(st.none() | st.booleans() | st.integers() | st.text(), max_size=20))
def test_so_does_a_list(values: list[Any]) -> None:
    assert ast.literal_eval(literal(values)) == values


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=30,
    )
)
def test_so_does_a_dictionary(value: Any) -> None:
    assert ast.literal_eval(literal(value)) == value


def test_what_is_too_long_for_a_line_has_a_line_for_each_item() -> None:
    long = {"reads": ["a" * 50, "b" * 60], "cron": "0 0 * * *"}
    assert literal({"x": 1}) == '{"x": 1}'
    assert literal(long).splitlines() == [
        "{",
        '    "reads": [',
        f'        "{"a" * 50}",',
        f'        "{"b" * 60}",',
        "    ],",
        '    "cron": "0 0 * * *",',
        "}",
    ]


@given(st.text())
def test_no_text_ends_the_docstring_that_it_is_in(text: str) -> None:
    source = f'"""x{docstring(text)}\n"""'.replace("\r", "")
    if "\0" not in source:
        assert isinstance(ast.literal_eval(source), str)
