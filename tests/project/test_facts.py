"""Facts for those who run commands: cheap, and true for projects that the embedded engine could not run."""

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.project.file_facts import FileFacts

CLOUD = """
    version: 1
    application:
      connectionRef: bq
      neverHeardOf: {this: key}
      connections:
        bq: {type: bigquery, options: {location: EU}, somethingNew: 1}
        spark: {type: FS}
        duck: {type: jdbc, options: {url: "jdbc:duckdb:{{SL_DATASETS}}/d.db"}}
        memory: {type: jdbc, options: {url: "jdbc:duckdb:"}}
"""


@pytest.fixture
def cloud(shop):
    shop.write("application.sl.yml", CLOUD)
    return shop


def test_the_file_of_a_duckdb_project(shop):
    assert FileFacts(shop.root, {}).duckdb_file("shop", "orders") == shop.root / "datasets/duckdb.db"
    assert FileFacts(shop.root, {}).duckdb_file() == shop.root / "datasets/duckdb.db"


def test_other_databases_have_no_file(cloud):
    assert FileFacts(cloud.root, {}).duckdb_file("shop", "orders") is None
    assert FileFacts(cloud.root, {"SL_CONNECTION_REF": "memory"}).duckdb_file() is None
    assert FileFacts(cloud.root, {"SL_CONNECTION_REF": "spark"}).duckdb_file() is None


def test_environment_variables_count(cloud):
    environment = {"SL_CONNECTION_REF": "duck", "SL_DATASETS": "/data"}
    assert str(FileFacts(cloud.root, environment).duckdb_file("shop", "orders")) == "/data/d.db"
    environment = {"SL_DUCKDB_MODE": "true", "SL_DATASETS": "/data"}
    assert str(FileFacts(cloud.root, environment).duckdb_file("shop", "orders")) == "/data/duckdb.db"
    environment["SL_DUCKDB_PATH"] = "/data/own.db"
    assert str(FileFacts(cloud.root, environment).duckdb_file("shop", "orders")) == "/data/own.db"


def test_a_table_or_domain_may_have_its_own_connection(cloud):
    cloud.write("load/shop/_config.sl.yml", "version: 1\nload: {metadata: {sink: {connectionRef: duck}}}")
    cloud.write(
        "load/shop/far.sl.yml", "version: 1\ntable: {name: far, pattern: f, metadata: {sink: {connectionRef: bq}}}"
    )
    facts = FileFacts(cloud.root, {})
    assert facts.duckdb_file("shop", "orders") == facts.duckdb_file("shop") == cloud.root / "datasets/d.db"
    assert facts.duckdb_file("shop", "far") is None
    assert facts.duckdb_file() is None


def test_a_task_may_have_its_own_connection(cloud):
    cloud.write("transform/mart/t.sl.yml", "version: 1\ntask: {sql: SELECT 1, sink: {connectionRef: duck}}")
    facts = FileFacts(cloud.root, {})
    assert facts.duckdb_file(task="mart.t") == cloud.root / "datasets/d.db"
    with pytest.raises(StarlakeError, match=r"mart\.u does not exist"):
        facts.duckdb_file(task="mart.u")


def test_no_connections_at_all(shop):
    shop.write("application.sl.yml", "version: 1\napplication: {archive: true}")
    assert FileFacts(shop.root, {}).duckdb_file("shop", "orders") is None


def test_only_the_file_in_question_is_read(cloud):
    cloud.write("load/shop/broken.sl.yml", "{{{")
    cloud.write("load/other/broken.sl.yml", "{{{")
    assert FileFacts(cloud.root, {}).table_pattern("SHOP", "Orders").fullmatch("orders-1.csv")


def test_a_table_by_the_name_within_its_file(cloud):
    cloud.write("load/shop/x.sl.yml", "version: 1\ntable: {name: inner, pattern: 'i.*', format: unheard}")
    assert FileFacts(cloud.root, {}).table_pattern("shop", "inner").fullmatch("i1")


def test_areas(cloud):
    cloud.write("load/shop/_config.sl.yml", "version: 1\nload: {name: store}")
    facts = FileFacts(cloud.root, {"SL_DATASETS": "gs://bucket/data", "SL_AREA_INGESTING": "busy"})
    assert facts.area("stage", "shop") == "gs://bucket/data/stage/store"
    assert facts.area("ingesting", "store") == "gs://bucket/data/busy/store"
    assert facts.area("stage", "unknown") == "gs://bucket/data/stage/unknown"
    with pytest.raises(StarlakeError, match="use one of incoming, stage"):
        facts.area("landing", "shop")


@pytest.mark.parametrize(
    "ask",
    [
        lambda facts: facts.duckdb_file("nope", "orders"),
        lambda facts: facts.duckdb_file("shop", "nope"),
        lambda facts: facts.table_pattern("shop", "nope"),
    ],
)
def test_what_is_not_there_is_an_error(shop, ask):
    with pytest.raises(StarlakeError, match="does not exist"):
        ask(FileFacts(shop.root, {}))


def test_a_folder_that_is_no_project(tmp_path):
    with pytest.raises(StarlakeError, match="is not a Starlake project"):
        FileFacts(tmp_path, {}).duckdb_file()
