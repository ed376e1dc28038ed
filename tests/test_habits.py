"""Files around the code are true: recipes, templates, the hosted checks, hooks, the changelog."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FOLDERS = ("ai/", "tests/", "docs/", "samples/", "packages/", "benchmarks/", "images/", ".ci/")
NAMED = sorted(
    {
        name
        for name in re.findall(r"(?<![\w./-])([\w.-]+(?:/[\w.-]+)*/?)", CONTRIBUTING)
        if name.startswith(FOLDERS) or name in ("setup.cfg", "pyproject.toml", "mkdocs.yml", "VERSION", "CHANGELOG.md")
    }
)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))


def load(file: Path) -> Any:
    return yaml.safe_load(file.read_text("utf-8"))


def commands() -> list[str]:
    """All that the hosted checks and the hooks run."""
    steps = [step for flow in map(load, WORKFLOWS) for job in flow["jobs"].values() for step in job["steps"]]
    hooks = [hook for repo in load(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    return [*(step["run"] for step in steps if "run" in step), *(hook["entry"] for hook in hooks)]


@pytest.mark.parametrize("name", NAMED)
def test_what_the_recipes_name_exists(name: str) -> None:
    assert (ROOT / name).exists()


def test_tests_are_where_the_packages_are() -> None:
    """Each folder of tests is named as a package, a module or a folder of the repository, or explained."""
    explained = set(re.findall(r"^\| `tests/([\w/]+)/` \|", CONTRIBUTING, flags=re.MULTILINE))
    folders = {file.parent.relative_to(ROOT / "tests") for file in (ROOT / "tests").rglob("test_*.py")}
    packages = (ROOT / "ai" / "starlake", ROOT)
    mirrored = {
        folder
        for folder in folders
        if any((root / folder).is_dir() or (root / folder).with_suffix(".py").is_file() for root in packages)
    }
    assert len(mirrored) > 20
    assert sorted({str(folder) for folder in folders - mirrored}) == sorted(explained)


@pytest.mark.parametrize("kind", ["executor", "file format", "write strategy", "warehouse", "orchestrator"])
def test_each_recipe_names_files_and_the_tests_that_what_is_added_passes(kind: str) -> None:
    recipe = re.search(rf"^### Add an? {kind}\n(.*?)^##", CONTRIBUTING, flags=re.MULTILINE | re.DOTALL)
    assert recipe
    assert len(re.findall(r"`ai/[\w./]+`", recipe[1])) >= 3
    assert re.search(r"`tests/[\w./]+`", recipe[1])


def test_the_classes_that_recipes_name_are_in_the_files_that_they_name() -> None:
    pairs = re.findall(r"`(\w+)`\s+(?:and `\w+`\s+)?\(`(ai/[\w/]+\.py)`", CONTRIBUTING)
    assert len(pairs) >= 7
    assert [pair for pair in pairs if f"class {pair[0]}" not in (ROOT / pair[1]).read_text("utf-8")] == []


@pytest.mark.parametrize("command", commands())
def test_hosted_checks_and_hooks_run_what_everybody_runs(command: str) -> None:
    if command != ".ci/run":
        assert re.fullmatch(r"make [a-z-]+", command)
        assert command.removeprefix("make ") in TARGETS


def test_the_hosted_checks_run_all_checks_and_build_documentation_and_distributions() -> None:
    assert {".ci/run", "make docs-check", "make dist"} <= set(commands())


@pytest.mark.parametrize("flow", WORKFLOWS, ids=lambda flow: flow.name)
def test_hosted_checks_may_read_only_and_end(flow: Path) -> None:
    loaded = load(flow)
    assert loaded["permissions"] == {"contents": "read"}
    assert set(loaded[True]) == {"push", "pull_request"}  # YAML 1.1 reads the key `on` as true
    assert all(job["timeout-minutes"] <= 120 for job in loaded["jobs"].values())


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_issue_templates_are_forms(name: str) -> None:
    form = load(ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids)) > 0
    assert {field["type"] for field in form["body"]} <= {"textarea", "input", "dropdown", "checkboxes"}
    assert all(field["attributes"]["label"] for field in form["body"])


def test_hooks_need_no_network() -> None:
    repos = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    assert {hook["language"] for repo in repos for hook in repo["hooks"]} == {"system"}


def test_the_changelog_keeps_its_form() -> None:
    releases = re.findall(r"^## (.*)$", CHANGELOG, flags=re.MULTILINE)
    assert releases[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+(?: - \d{4}-\d\d-\d\d)?", name) for name in releases[1:])
    kinds = set(re.findall(r"^### (.*)$", CHANGELOG, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for section in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (.*)$", section, flags=re.MULTILINE)
        assert len(found) == len(set(found)), "each kind of change has one list in a release"


def test_the_page_about_installing_has_each_extra_that_users_need() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = {name for name in setup["options.extras_require"] if not name.startswith(("test", "dev", "docs"))}
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/first-hour/install.md").read_text("utf-8"), flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == extras


def test_files_are_as_the_editors_are_told() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.cfg", "*.toml", "Makefile"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listed.stdout.split():
        text = (ROOT / name).read_bytes()
        assert b"\r\n" not in text, name
        assert not text or text.endswith(b"\n"), name
