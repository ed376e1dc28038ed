"""For any content of the files: a project, or findings; never a traceback."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.project import Project, validate

GOOD = {
    "application.sl.yml": """
version: 1
application:
  connectionRef: d
  connections:
    d: {type: jdbc, options: {url: x}}
""",
    "env.sl.yml": """
version: 1
env:
  a: '{{SL_ROOT}}'
  b: ${a}
""",
    "load/shop/_config.sl.yml": """
version: 1
load:
  name: shop
  metadata:
    directory: '{{a}}/in'
""",
    "load/shop/rows.sl.yml": r"""
version: 1
table:
  name: rows
  pattern: rows.*\.csv
  metadata:
    format: DSV
    writeStrategy:
      type: SCD2
      key: [id]
  attributes:
  - name: id
    type: int
  - name: s
    type: struct
    attributes:
    - {name: x, type: string, trim: BOTH}
""",
    "load/shop/old.sl.yml": """
schema:
  name: old
  pattern: old
  metadata: {write: OVERWRITE, mode: FILE}
  attributes: [{name: a}]
""",
    "transform/mart/_config.sl.yml": """
version: 1
transform:
  default: {presql: [a]}
  tasks: [{name: i, sql: SELECT 1}]
""",
    "transform/mart/t.sl.yml": """
version: 1
task:
  expectations:
  - expect: f('x')
    failOnError: true
""",
    "transform/mart/t.sql": """
--SL_PRESQL
x;
--SL_SQL
SELECT {{ b }} FROM shop.rows, mart.i
""",
    "types/types.sl.yml": """
version: 1
types:
- name: x
  pattern: '[a]'
  primitiveType: string
""",
    "dags/d.sl.yml": """
version: 1
dag:
  template: t
  filename: '{{domain}}.py'
  options: {a: b}
""",
    "macros/m.j2": "{% macro f(x) %}{{ x }}{% endmacro %}",
}
ODD_VALUES = ["1", "[]", "{}", "null", "~", "{a: 1}", "[1, [2]]", "!!x 1", "yes"]


def _write(root, texts):
    for name, content in texts.items():
        file = root / "metadata" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


def _read_all(root):
    """Read everything in every way; a `StarlakeError` is a fine answer, another exception is not."""
    findings = validate(root, environment={})
    assert all(finding.message and finding.line >= 0 for finding in findings)
    try:
        project = Project.read(root, environment={})
    except StarlakeError:
        assert any(finding.is_error for finding in findings)
        return
    for part in ("types", "domains", "tasks", "dag_configs", "macros", "write_strategy_templates"):
        _read_part(project, part, findings)


def _read_part(project, part, findings):
    try:
        getattr(project, part)
    except StarlakeError:
        assert any(finding.is_error for finding in findings), part


def test_the_undamaged_project_is_well(tmp_path):
    _write(tmp_path, GOOD)
    assert [finding for finding in validate(tmp_path, environment={}) if finding.is_error] == []


@settings(max_examples=150)
@given(name=st.sampled_from(sorted(GOOD)), seed=st.integers(0, 2**32))
def test_mutated_files(tmp_path_factory, name, seed):
    chance = random.Random(seed)
    lines = GOOD[name].split("\n")
    for _ in range(chance.randint(1, 3)):
        line = chance.randrange(len(lines))
        text = lines[line]
        cut = chance.randint(0, len(text))
        lines[line] = chance.choice(
            [
                "",
                text[:cut],
                text[cut:],
                text[:cut] + chance.choice("{}[]:,-&*!|>'\"%@`#?\t\\\x00é") + text[cut:],
                text.replace(":", ": [") if cut % 2 else text.replace(": ", ":\n"),
                " " * chance.randint(1, 5) + text,
                lines[chance.randrange(len(lines))],
                text.rpartition(":")[0] + ": " + chance.choice(ODD_VALUES),
            ]
        )
    root = tmp_path_factory.mktemp("mutated")
    _write(root, {**GOOD, name: "\n".join(lines)})
    _read_all(root)


@settings(max_examples=80)
@given(name=st.sampled_from(sorted(GOOD)), content=st.binary(max_size=60))
def test_random_bytes(tmp_path_factory, name, content):
    root = tmp_path_factory.mktemp("bytes")
    _write(root, {**GOOD, name: content})
    _read_all(root)


MORE_KEYS = {"sink", "partition", "expectations", "audit", "area", "tags", "position", "postsql", "merge", "schedule"}
KEYS = sorted(set(re.findall(r"(\w+):", " ".join(GOOD.values()))) | MORE_KEYS)
NODES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["SCD2", "DSV", "{{a}}", "int"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=4) | st.integers() | st.booleans() | st.none(), inner, max_size=4
        )
    ),
    max_leaves=12,
)
ROOTS = {"application": "application.sl.yml", "load": "load/shop/_config.sl.yml", "table": "load/shop/rows.sl.yml"}
ROOTS |= {"transform": "transform/mart/_config.sl.yml", "task": "transform/mart/t.sl.yml", "env": "env.sl.yml"}
ROOTS |= {"types": "types/types.sl.yml", "dag": "dags/d.sl.yml"}


@settings(max_examples=150)
@given(root_key=st.sampled_from(sorted(ROOTS)), content=NODES, versioned=st.booleans())
def test_values_of_any_shape(tmp_path_factory, root_key, content, versioned):
    import yaml

    root = tmp_path_factory.mktemp("shapes")
    data = {"version": 1, root_key: content} if versioned else {root_key: content}
    _write(root, {**GOOD, ROOTS[root_key]: yaml.safe_dump(data, allow_unicode=True)})
    _read_all(root)


@pytest.mark.parametrize("metadata", ["text", [1], 1, True])
def test_metadata_of_an_old_table_that_is_no_mapping(tmp_path, metadata):
    _write(tmp_path, {**GOOD, "load/shop/rows.sl.yml": f"table:\n  name: rows\n  metadata: {metadata}\n"})
    found = [finding for finding in validate(tmp_path, environment={}) if finding.is_error]
    assert any("metadata" in finding.message for finding in found), found


def test_aliases_of_aliases_are_refused(tmp_path):
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    _write(tmp_path, {**GOOD, "load/shop/rows.sl.yml": bomb})
    assert any("alias" in finding.message for finding in validate(tmp_path, environment={}))


def test_deep_nesting_is_refused(tmp_path):
    _write(tmp_path, {**GOOD, "load/shop/rows.sl.yml": "table: " + "[" * 5000 + "]" * 5000})
    _read_all(tmp_path)
