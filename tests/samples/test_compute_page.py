"""The code and the tables of docs/compute.md are true."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml
from dagster import Definitions
from pydantic import BaseModel

from ai.starlake.job.compute_choices import COMPUTE_TAG
from ai.starlake.job.compute_profiles import SECTIONS, ComputeProfile
from ai.starlake.job.compute_sections import ComputeSection

FILE = Path(__file__).resolve().parents[2] / "docs" / "compute.md"
PAGE = FILE.read_text("utf-8")
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
YAML = re.findall(r"```yaml\n# (metadata/\S+)\n(.*?)```", PAGE, re.DOTALL)
APPLICATION = """
version: 1
application:
  connectionRef: duckdb
  connections:
    duckdb: {type: jdbc, options: {url: "jdbc:duckdb:{{SL_ROOT}}/datasets/duckdb.db"}}
"""


def section_model(name: str) -> type[ComputeSection]:
    annotation = ComputeProfile.model_fields[name].annotation
    options = (annotation, *getattr(annotation, "__args__", ()))
    return next(each for each in options if isinstance(each, type) and issubclass(each, BaseModel))


def fields_table() -> str:
    lines = ["| field | read by | |", "|---|---|---|"]
    for section in SECTIONS:
        model = section_model(section)
        lines += [
            f"| `{section}.{name}` | {model.title} | {field.description} |"
            for name, field in model.model_fields.items()
        ]
    return "\n".join(lines)


def test_the_table_of_fields_is_that_of_the_code() -> None:
    found = PAGE.partition("<!-- fields -->\n")[2].partition("\n<!-- end of fields -->")[0]
    assert found == fields_table(), f"docs/compute.md should have:\n{fields_table()}"


def project(root: Path) -> Path:
    """Return a project with the task of the first example, and the files that the page shows when asked for."""
    (root / "metadata/transform/kpis").mkdir(parents=True)
    (root / "metadata/load/shop").mkdir(parents=True)
    (root / "metadata/application.sl.yml").write_text(APPLICATION)
    threads = "SELECT current_setting('threads') AS threads"
    (root / "metadata/transform/kpis/history.sql").write_text(threads)
    (root / "metadata/transform/kpis/today.sql").write_text(threads)
    return root


def definitions(root: Path, source: str = PYTHON) -> Definitions:
    namespace: dict[str, object] = {}
    exec(compile(source.replace('"my_project"', repr(str(root))), str(FILE), "exec"), namespace)
    made = namespace["defs"]
    assert isinstance(made, Definitions)
    return made


def tags(made: Definitions) -> dict[str, str | None]:
    graph = made.get_repository_def().asset_graph
    specs = [spec for key in graph.executable_asset_keys for spec in graph.get(key).assets_def.specs]
    return {spec.key.to_user_string(): spec.tags.get(COMPUTE_TAG) for spec in specs}


def test_the_example_gives_each_task_its_sizes(tmp_path: Path) -> None:
    made = definitions(project(tmp_path / "my_project"))
    assert tags(made) == {"kpis/history": "large", "kpis/today": "small"}
    (job,) = [job for job in made.get_repository_def().get_all_jobs() if job.name == "__ASSET_JOB"]
    result = job.execute_in_process()
    sizes = {
        event.asset_key.to_user_string(): event.materialization.metadata["starlake/compute_sizes"].value
        for event in result.get_asset_materialization_events()
    }
    assert sizes["kpis/history"]["duckdb.threads"] == "4"
    assert sizes["kpis/today"] == {"duckdb.threads": "1", "duckdb.memory_limit": "500MB"}


def test_the_yaml_of_a_table_and_a_task_say_so_too(tmp_path: Path) -> None:
    root = project(tmp_path / "my_project")
    assert [name for name, _ in YAML] == ["metadata/transform/kpis/history.sl.yml", "metadata/load/shop/orders.sl.yml"]
    for name, text in YAML:
        content = yaml.safe_load(text)
        if "table" in content:
            content["table"]["attributes"] = [{"name": "id", "type": "long"}]
        (root / name).write_text(yaml.safe_dump(content))
    without_section = re.sub(r'.*"kpis.history".*\n', "", PYTHON)
    assert tags(definitions(root, without_section)) == {
        "kpis/history": "large",
        "kpis/today": "small",
        "shop/orders": "large",
    }


def test_profiles_may_be_in_a_file(tmp_path: Path) -> None:
    file = shutil.copy(FILE, tmp_path / "page.md").with_name("compute.yml")
    file.write_text("small: {duckdb: {threads: 1}}\nlarge: {}\n")
    source = re.sub(r'"compute": \{.*?\n        \},\n', f'"compute": {str(file)!r},\n', PYTHON, flags=re.DOTALL)
    assert "compute.yml" in source
    assert tags(definitions(project(tmp_path / "my_project"), source)) == {
        "kpis/history": "large",
        "kpis/today": "small",
    }
