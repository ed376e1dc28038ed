"""docs/polars.md: its code runs, and its table is that of the fields."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
import yaml
from dagster import Definitions, materialize

from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.job.polars_profile import PolarsProfile

PAGE = (Path(__file__).parents[2] / "docs" / "polars.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
YAML = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[0])


def fields_table() -> str:
    rows = ["| field | |", "|---|---|"]
    rows += [f"| `{name}` | {field.description} |" for name, field in PolarsProfile.model_fields.items()]
    return "\n".join(rows)


@pytest.fixture
def bakery(studio, cloud, monkeypatch):
    """Return a project with the tables and files that the page speaks of."""
    (cloud.bucket / "orders").mkdir()
    orders = {
        "id": [1, 2, 3],
        "customer": ["a", "b", "a"],
        "amount": [1.0, 2.0, 3.0],
        "currency": ["EUR", "USD", "EUR"],
    }
    pl.DataFrame(orders).write_parquet(cloud.bucket / "orders" / "1.parquet")
    studio.environment |= cloud.environment
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    return studio


def block(number, cloud, root=None):
    return BLOCKS[number].replace("s3://bakery", str(cloud.bucket)).replace("/path/to/your/starlake/project", str(root))


def run(studio, name, code):
    studio.write(f"metadata/transform/kpis/{name}.sl.yml", task=YAML["task"])
    (studio.root / f"metadata/transform/kpis/{name}.py").write_text(code)
    assert studio.engine.transform(TransformRequest(f"kpis.{name}")).error is None
    return studio.rows(f"kpis.{name}")


def test_the_table_is_that_of_the_fields():
    assert fields_table() in PAGE, f"docs/polars.md should have:\n{fields_table()}"


def test_the_tasks_run(bakery, cloud):
    assert YAML["task"]["engine"] == "polars-cloud"
    assert run(bakery, "revenue", block(0, cloud)) == [("a", 4.0), ("b", 2.0)]
    bakery.task("finance.rates", "FROM (VALUES ('EUR', 1.0::DOUBLE), ('USD', 0.5::DOUBLE)) AS rates(currency, rate)")
    assert bakery.engine.transform(TransformRequest("finance.rates")).error is None
    assert run(bakery, "converted", block(1, cloud)) == [(1, 1.0), (2, 1.0), (3, 3.0)]
    assert cloud.running == []


def test_the_profiles_and_their_sensors(bakery, cloud):
    run(bakery, "revenue", block(0, cloud))
    names = {}
    exec(compile(block(2, cloud, bakery.root), "docs/polars.md", "exec"), names)
    Definitions.validate_loadable(names["defs"])
    sensors = [sensor.name for sensor in names["defs"].sensors if "polars_cloud_janitor" in sensor.name]
    assert len(sensors) == 3


def test_the_asset_runs(bakery, cloud):
    names = {}
    exec(compile(block(3, cloud), "docs/polars.md", "exec"), names)
    assert materialize([names["best_customers"]], resources={"compute": names["compute"]}).success
    assert pl.read_parquet(cloud.bucket / "best_customers" / "*.parquet")["amount"].sort().to_list() == [2.0, 4.0]
    assert cloud.running == []
