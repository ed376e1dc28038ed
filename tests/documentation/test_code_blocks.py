"""Each block of code on a page runs, or is checked, or says that it is not run: `code_blocks.py` says how."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import dagster
import pytest
import sqlglot
from click.testing import CliRunner
from dagster import ConfigurableResource
from jinja2 import Environment

from ai.starlake.embedded.cli.main import starlake
from tests.documentation.code_blocks import BLOCKS, CHECKED, ROOT, Block, blocks_of, report
from tests.documentation.command_lines import commands_of, wrong_with
from tests.documentation.yaml_files import check_yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECTS = ("my_project", "bakery", "starbake", "/path/to/your/starlake/project", "/data/shop")
"""Names of the reader's project in the pages. Here it is the sample bakery, and `shop` is the project of
`bootstrap`."""
RUN_PAGES = sorted({block.page for block in BLOCKS if block.treatment == "run"})
TOO_NEW = [] if hasattr(dagster, "Component") else ["StarlakeProjectComponent", "batched: true"]
"""Features that the oldest supported Dagster lacks; `test_component_import.py` tests what happens there instead."""
HERE = [block for block in BLOCKS if not any(name in block.text for name in TOO_NEW)]


class SlackResource(ConfigurableResource):
    """Stands for that of dagster-slack, which needs another version with each version of Dagster."""

    token: str


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a working folder with the project of a reader in it, and the environment as it was afterwards."""
    before, modules = dict(os.environ), set(sys.modules)
    for name in PROJECTS[:3]:
        shutil.copytree(ROOT / "samples/starbake", tmp_path / name, ignore=shutil.ignore_patterns("datasets"))
    CliRunner().invoke(starlake, ["bootstrap", "--project-location", str(tmp_path / "shop")], catch_exceptions=False)
    slack = ModuleType("dagster_slack")
    slack.__dict__["SlackResource"] = SlackResource
    monkeypatch.setitem(sys.modules, "dagster_slack", slack)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)
    for name in sys.modules.keys() - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def placed(block: Block, desk: Path) -> str:
    """Return what a block runs, on the line where it stands."""
    code = f"{block.value}\n" if block.mark == "setup" else ""
    padding = "\n" * (block.line - 1 - code.count("\n"))
    code = padding + code + block.text
    for name in PROJECTS[3:]:
        code = code.replace(name, str(desk / "my_project"))
    return code


@pytest.mark.parametrize("page", RUN_PAGES)
def test_the_code_of_a_page_runs_from_top_to_bottom(page: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "page", module := ModuleType("page"))
    for block in blocks_of(ROOT / page):
        if block in HERE and block.treatment == "run":
            exec(compile(placed(block, desk), str(ROOT / page), "exec"), module.__dict__)


def check(block: Block, folder: Path) -> None:
    """Give a block to what reads its language."""
    match block.language:
        case "bash" | "console":
            prompts = block.language == "console" and "$ " in block.text
            found = commands_of(block.text, prompts=prompts)
            assert found
            assert [wrong for wrong in map(wrong_with, found) if wrong] == []
        case "yaml":
            check_yaml(block, folder)
        case "json":
            json.loads(block.text)
        case "toml":
            tomllib.loads(block.text)
        case "ini":
            configparser.ConfigParser(delimiters=["="]).read_string(block.text)
        case "jinja":
            Environment(autoescape=True).parse(block.text)
        case "sql":
            assert sqlglot.parse(block.text, read="duckdb")
        case "dockerfile":
            assert block.text.lstrip().startswith("FROM ")


@pytest.mark.parametrize("block", [each for each in HERE if each.treatment == "checked"], ids=lambda each: each.place)
def test_what_a_page_shows_is_as_its_readers_need_it(block: Block, tmp_path: Path) -> None:
    assert block.language in CHECKED
    check(block, tmp_path)


def test_nobody_forgot_a_block() -> None:
    forgotten = [f"{block.place}: {block.language or 'no language'}" for block in BLOCKS if not block.treatment]
    assert forgotten == [], "blocks in a language that nothing runs or checks need a comment: <!-- not run: reason -->"
    assert [block.place for block in BLOCKS if block.mark == "not run" and len(block.value) < 5] == []


def test_blocks_that_other_tests_run_are_run_by_them() -> None:
    for block in BLOCKS:
        if block.mark == "run by":
            test = ROOT / block.value
            assert test.is_file(), f"{block.place} is run by {block.value}, which does not exist"
            assert Path(block.page).name in test.read_text("utf-8"), f"{block.value} does not read {block.page}"


def test_the_count_is_that_of_the_pages(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{report()}")
    assert len(BLOCKS) > 100


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("starlake-embedded load --domains sales", None),
        ("starlake-embedded lode", "starlake-embedded has no command lode"),
        ("starlake-embedded load --domain", "starlake-embedded load has no option --domain"),
        ("starlake-dagster gcp reap --help", None),
        ("SL_ROOT=x python -m ai.starlake.orchestration run --fil y", "run has no option --fil"),
        ("make docs PORT=3001", None),
        ("make dogs", "the Makefile has no target dogs"),
        ("python samples/none.py", "there is no file samples/none.py"),
        ("starlake-dogster", "starlake-dogster is no program"),
    ],
)
def test_what_is_wrong_with_a_command_is_found(line: str, wrong: str | None) -> None:
    (command,) = commands_of(line, prompts=False)
    found = wrong_with(command)
    assert found is None if wrong is None else wrong in (found or "")
