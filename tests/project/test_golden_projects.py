"""Every project that Starlake ran is read, whole, without an error."""

import json
from pathlib import Path

import pytest

from ai.starlake.project import Graph, Project, validate

CASES = sorted((Path(__file__).parent.parent / "golden" / "cases").glob("*/project"))


@pytest.mark.parametrize("root", CASES, ids=lambda root: root.parent.name)
def test_the_project_of_a_case_is_read(root):
    environment = _environment(root)
    project = Project.read(root, environment=environment)
    graph = Graph(project)
    assert len(graph.order()) == len(project.tasks)
    assert all(project.table(domain.name, table.name) == table for domain in project.domains for table in domain.tables)
    assert all(project.task(task.full_name) == task for task in project.tasks)
    assert [finding for finding in validate(root, environment=environment) if finding.is_error] == []


def _environment(root):
    """Return the profile that the steps of the case choose, and where its metadata is."""
    steps = json.loads((root.parent / "case.json").read_text())["steps"]
    profiles = {name: value for step in steps for name, value in step.get("env", {}).items() if name == "SL_ENV"}
    elsewhere = {} if (root / "metadata" / "application.sl.yml").is_file() else {"SL_METADATA": str(root / "conf")}
    return {**profiles, **elsewhere}


def test_there_are_cases():
    assert CASES
