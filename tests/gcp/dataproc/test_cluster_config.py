from __future__ import annotations

import subprocess
import sys
import types
from datetime import timedelta
from textwrap import dedent

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.gcp import (
    StarlakeDataprocClusterConfig,
    StarlakeDataprocMasterConfig,
    StarlakeDataprocWorkerConfig,
)
from ai.starlake.gcp.dataproc.dataproc_options import DataprocClusterOptions, DataprocOptions
from ai.starlake.gcp.dataproc.resource_names import OUR_LABELS
from ai.starlake.gcp.gcp_options import GcpOptions

PROJECT = {"dataproc_project_id": "p"}
HOME = "projects/p/regions/europe-west1"

TTL_LIMITS = {"dataproc_idle_delete_ttl": (300, 1209600), "dataproc_auto_delete_ttl": (600, 1209600)}


def config(**options) -> StarlakeDataprocClusterConfig:
    return StarlakeDataprocClusterConfig(options={**PROJECT, **options})


def at(message, path: str):
    for part in path.split("."):
        message = getattr(message, part)
    return message.total_seconds() if isinstance(message, timedelta) else message


# option, a value, where it arrives in Dataproc's message, the default there, what arrives
TABLE = [
    (
        "dataproc_subnet",
        "blue",
        "gce_cluster_config.subnetwork_uri",
        f"{HOME}/subnetworks/default",
        f"{HOME}/subnetworks/blue",
    ),
    (
        "dataproc_subnet",
        "projects/host/regions/r/subnetworks/s",
        "gce_cluster_config.subnetwork_uri",
        f"{HOME}/subnetworks/default",
        "projects/host/regions/r/subnetworks/s",
    ),
    (
        "dataproc_service_account",
        "sa@p.iam",
        "gce_cluster_config.service_account",
        "",
        "sa@p.iam",
    ),
    (
        "dataproc_service_account",
        "",
        "gce_cluster_config.service_account",
        "",
        "",
    ),
    ("dataproc_image_version", "2.1-debian11", "software_config.image_version", "2.2-debian12", "2.1-debian11"),
    (
        "dataproc_master_machine_type",
        "n2-standard-8",
        "master_config.machine_type_uri",
        "n1-standard-4",
        "n2-standard-8",
    ),
    ("dataproc_master_disk_type", "pd-ssd", "master_config.disk_config.boot_disk_type", "pd-standard", "pd-ssd"),
    ("dataproc_master_disk_size", "50", "master_config.disk_config.boot_disk_size_gb", 500, 50),
    ("dataproc_worker_machine_type", "n2-highmem-4", "worker_config.machine_type_uri", "n1-standard-4", "n2-highmem-4"),
    (
        "dataproc_worker_disk_type",
        "pd-balanced",
        "worker_config.disk_config.boot_disk_type",
        "pd-standard",
        "pd-balanced",
    ),
    ("dataproc_worker_disk_size", 64, "worker_config.disk_config.boot_disk_size_gb", 500, 64),
    ("dataproc_num_workers", "7", "worker_config.num_instances", 4, 7),
    ("dataproc_num_secondary_workers", 3, "secondary_worker_config.num_instances", 0, 3),
    ("dataproc_idle_delete_ttl", 600, "lifecycle_config.idle_delete_ttl", 3600, 600),
    ("dataproc_auto_delete_ttl", "7200", "lifecycle_config.auto_delete_ttl", 86400, 7200),
    ("dataproc_autoscaling_policy", "few", "autoscaling_config.policy_uri", "", f"{HOME}/autoscalingPolicies/few"),
    ("dataproc_cluster_metadata", '{"k": "v"}', "gce_cluster_config.metadata", {}, {"k": "v"}),
    ("spark_bucket", "gcs://b/", "config_bucket", "", "b"),
    (
        "dataproc_cluster_config",
        {"endpoint_config": {"enable_http_port_access": True}},
        "endpoint_config.enable_http_port_access",
        False,
        True,
    ),
    ("dataproc_cluster_config", '{"gce_cluster_config": {"tags": ["t"]}}', "gce_cluster_config.tags", [], ["t"]),
    (
        "dataproc_cluster_config",
        {"gce_cluster_config": {"internal_ip_only": False}},
        "gce_cluster_config.internal_ip_only",
        True,
        False,
    ),
]


@pytest.mark.parametrize(("option", "value", "path", "default", "arrives"), TABLE)
def test_every_option_arrives_in_the_message(option, value, path, default, arrives):
    assert at(config().message, path) == default
    assert at(config(**{option: value}).message, path) == arrives


BESIDE = [
    ("dataproc_project_id", "other", "project_id", "p"),
    ("dataproc_region", "us-east1", "region", "europe-west1"),
    ("dataproc_name", "fast", "dataproc_name", "dataproc-cluster"),
    ("cluster_id", "c7", "cluster_id", None),
    ("dataproc_cluster_name", "shared", "cluster_name", None),
    ("dataproc_cluster_labels", {"team": "bi"}, "labels", {}),
    ("dataproc_single_node", True, "single_node", False),
]


@pytest.mark.parametrize(("option", "value", "attribute", "default"), BESIDE)
def test_every_option_beside_the_message_is_read(option, value, attribute, default):
    assert getattr(config(), attribute) == default
    assert getattr(config(**{option: value}), attribute) == value


def test_the_tables_above_are_complete():
    own = set(DataprocClusterOptions.model_fields) - set(GcpOptions.model_fields)
    elsewhere = {"cluster_config_name", "dataproc_cluster_properties"}
    assert own == {row[0] for row in [*TABLE, *BESIDE]} | elsewhere


def test_properties_arrive():
    made = config(
        dataproc_cluster_properties='{"spark:spark.a": "1", "dataproc:x": true}', dataproc_cluster_labels={"team": "bi"}
    )
    assert made.message.software_config.properties["spark:spark.a"] == "1"
    assert made.message.software_config.properties["dataproc:x"] == "true"


def test_arguments_count_more_than_options():
    made = StarlakeDataprocClusterConfig(
        "c1",
        "n1",
        StarlakeDataprocMasterConfig("m", "d", 100, {}),
        StarlakeDataprocWorkerConfig(3, "w", "e", 200, {}),
        StarlakeDataprocWorkerConfig(2, "s", "f", 300, {}, preemptibility="SPOT"),
        900,
        False,
        {**PROJECT, "cluster_id": "c2", "dataproc_name": "n2", "dataproc_idle_delete_ttl": 1200},
        **{"spark:spark.x": 1},
    )
    assert (made.cluster_id, made.dataproc_name) == ("c1", "n1")
    message = made.message
    assert (message.master_config.machine_type_uri, message.worker_config.num_instances) == ("m", 3)
    assert message.secondary_worker_config.preemptibility.name == "SPOT"
    assert message.lifecycle_config.idle_delete_ttl.seconds == 900
    assert message.software_config.properties["spark:spark.x"] == "1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dataproc_cluster_config": {"imagee": "x"}}, "imagee"),
        ({"dataproc_cluster_config": {"gce_cluster_config": {"zone": "x"}}}, "zone"),
        ({"dataproc_cluster_config": {"softwareConfig": {}}}, "softwareConfig"),
        ({"dataproc_cluster_config": {"worker_config": {"num_instances": "2"}}}, "integer"),
        ({"dataproc_cluster_config": "{"}, "JSON"),
        ({"dataproc_cluster_properties": "[]"}, "JSON object"),
        ({"dataproc_num_workers": "many"}, "dataproc_num_workers"),
        ({"dataproc_master_disk_size": 3}, "dataproc_master_disk_size"),
        ({"dataproc_cluster_name": "Not.Valid"}, "dataproc_cluster_name"),
        ({"dataproc_cluster_labels": {"Team": "x"}}, "Team"),
        ({"dataproc_cluster_labels": {"starlake-run-id": "x"}}, "starlake-run-id"),
        ({"dataproc_single_node": True, "dataproc_num_secondary_workers": 2}, "secondary"),
        ({"dataproc_single_node": False, "dataproc_num_workers": 0}, "dataproc_num_workers"),
        ({"spark_bucket": "b/folder"}, "spark_bucket"),
    ],
)
def test_a_mistake_is_an_error_when_the_configuration_is_made(options, said):
    with pytest.raises(StarlakeError, match=said):
        config(**options)


@pytest.mark.parametrize(("option", "limits"), TTL_LIMITS.items())
def test_the_limits_of_the_times_to_live_are_those_of_dataproc(option, limits):
    least, most = limits
    for value in limits:
        assert config(**{option: value})
    for value in (least - 1, most + 1):
        with pytest.raises(StarlakeError, match=option):
            config(**{option: value})


def test_an_idle_limit_that_is_an_argument_is_checked_too():
    with pytest.raises(StarlakeError, match="dataproc_idle_delete_ttl"):
        StarlakeDataprocClusterConfig(options=PROJECT, idle_delete_ttl=10)


@pytest.mark.parametrize(
    "wrong", [{"machine_typ": "x"}, {"disk_config": {"boot_disk_typo": "x"}}, {"is_preemptible": "x"}]
)
def test_a_mistake_in_a_machine_is_an_error_at_once(wrong):
    with pytest.raises(StarlakeError):
        StarlakeDataprocMasterConfig(options={}, **wrong)


def test_further_fields_of_a_machine_are_laid_over_its_own():
    made = StarlakeDataprocWorkerConfig(options={}, disk_config={"num_local_ssds": 2}, min_cpu_platform="x")
    fields = made.__config__()
    assert fields["disk_config"] == {"boot_disk_type": "pd-standard", "boot_disk_size_gb": 500, "num_local_ssds": 2}
    assert fields["min_cpu_platform"] == "x"


@pytest.mark.parametrize(
    ("single_node", "workers", "expected"), [(None, 4, False), (None, 0, True), (True, 4, True), (False, 4, False)]
)
def test_single_node_is_as_said_else_by_the_number_of_workers(single_node, workers, expected):
    made = StarlakeDataprocClusterConfig(single_node=single_node, options={**PROJECT, "dataproc_num_workers": workers})
    assert made.single_node is expected
    assert ("worker_config" in made.message) is not expected
    properties = made.message.software_config.properties
    assert (properties.get("dataproc:dataproc.allow.zero.workers") == "true") is expected


def test_the_project_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("GCP_PROJECT", "from-environment")
    assert StarlakeDataprocClusterConfig().project_id == "from-environment"
    assert config().project_id == "p"


def test_a_missing_project_is_named(monkeypatch):
    for name in ("GCP_PROJECT", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StarlakeError, match="option dataproc_project_id is required"):
        StarlakeDataprocClusterConfig(options={})


def test_all_missing_options_of_a_job_are_named(monkeypatch):
    monkeypatch.delenv("GCP_PROJECT", raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with pytest.raises(StarlakeError) as caught:
        DataprocOptions.read({})
    for name in ("dataproc_project_id", "spark_bucket", "spark_jar_list"):
        assert f"option {name} is required" in str(caught.value)


def test_a_list_of_jars_without_a_jar_is_refused():
    with pytest.raises(StarlakeError, match="spark_jar_list"):
        DataprocOptions.read({**PROJECT, "spark_bucket": "b", "spark_jar_list": " , "})


def test_gcs_equals_gs_in_jars():
    settings = DataprocOptions.read(
        {**PROJECT, "spark_bucket": "gs://b", "spark_jar_list": "gcs://a/x.jar, gs://a/y.jar"}
    )
    assert settings.spark_jar_list == ("gs://a/x.jar", "gs://a/y.jar")
    assert settings.spark_bucket == "b"


@pytest.fixture
def module(monkeypatch):
    made = types.ModuleType("a_dag_file")
    monkeypatch.setitem(sys.modules, "a_dag_file", made)
    return made


def from_module(**options) -> StarlakeDataprocClusterConfig:
    return StarlakeDataprocClusterConfig.from_module("dags/My_Sales.py", "a_dag_file", {**PROJECT, **options})


def test_the_cluster_is_called_after_the_file_by_default(module):
    assert from_module().cluster_id == "my_sales"
    assert from_module(cluster_config_name="other").cluster_id == "other"
    assert from_module(cluster_id="mine").cluster_id == "mine"


def test_the_globals_of_the_module_count(module):
    module.cluster_id = "c9"
    module.dataproc_name = "swift"
    module.dataproc_master_machine_type = "m9"
    module.dataproc_worker_num_instances = 9
    module.dataproc_worker_disk_size = 99
    module.dataproc_worker_properties = {"min_cpu_platform": "x"}
    module.dataproc_idle_delete_ttl = 999
    module.dataproc_cluster_properties = {"spark:spark.y": "2"}
    made = from_module(dataproc_master_machine_type="m1", dataproc_num_workers=1)
    assert (made.cluster_id, made.dataproc_name) == ("c9", "swift")
    message = made.message
    assert (message.master_config.machine_type_uri, message.worker_config.num_instances) == ("m9", 9)
    assert message.worker_config.disk_config.boot_disk_size_gb == 99
    assert message.worker_config.min_cpu_platform == "x"
    assert message.lifecycle_config.idle_delete_ttl.seconds == 999
    assert message.software_config.properties["spark:spark.y"] == "2"


def test_the_hooks_of_the_module_count_more_than_its_globals(module):
    called = []

    def hook(kind, **fixed):
        def made(name, **properties):
            called.append((name, properties))
            return kind(options={}, **fixed, **properties)

        return made

    module.dataproc_master_machine_type = "ignored"
    module.dataproc_master_properties = {"min_cpu_platform": "x"}
    module.get_dataproc_master_config = hook(StarlakeDataprocMasterConfig, machine_type="m")
    module.get_dataproc_worker_config = hook(StarlakeDataprocWorkerConfig, num_instances=5)
    module.get_dataproc_secondary_worker_config = hook(StarlakeDataprocWorkerConfig, num_instances=6)
    message = from_module(cluster_config_name="big").message
    assert called == [("big", {"min_cpu_platform": "x"}), ("big", {}), ("big", {})]
    assert message.master_config.machine_type_uri == "m"
    assert (message.worker_config.num_instances, message.secondary_worker_config.num_instances) == (5, 6)


def test_a_hook_that_returns_something_else_is_named(module):
    module.get_dataproc_worker_config = lambda name: {"num_instances": 1}
    with pytest.raises(StarlakeError, match="get_dataproc_worker_config"):
        from_module()


def test_a_single_node_of_the_module_counts(module):
    module.dataproc_single_node = True
    assert from_module().single_node is True


def test_secrets_and_what_a_shell_might_change_stay_out_of_the_clusters_properties():
    made = config(
        sl_env_var={"SL_ENV": "PROD", "SL_ROOT": "gcs://b/p", "DB_PASSWORD": "x", "MSG": "a b", "REF": {"env": "X"}}
    )
    environment = {k: v for k, v in made.message.software_config.properties.items() if k.startswith("spark-env:")}
    assert environment == {"spark-env:SL_ENV": "PROD", "spark-env:SL_ROOT": "gs://b/p", "spark-env:SL_API": "true"}
    assert "x" not in environment.values()


def test_our_labels_are_reserved():
    assert all(label.startswith("starlake-") for label in OUR_LABELS)


def test_the_fields_are_fit_for_strict_json_too():
    from google.cloud import dataproc_v1
    from google.protobuf import json_format

    parsed = json_format.ParseDict(
        config(spark_bucket="b").__config__(), dataproc_v1.ClusterConfig.pb(dataproc_v1.ClusterConfig())
    )
    assert parsed == dataproc_v1.ClusterConfig.pb(config(spark_bucket="b").message)


def test_importing_the_package_loads_nothing_of_googles():
    code = """
        import sys
        import ai.starlake.gcp.dataproc.dataproc_options, ai.starlake.gcp.dataproc.backend
        import ai.starlake.executor.remote.leftovers
        from ai.starlake.gcp import StarlakeDataprocClusterConfig
        print(sorted(name for name in sys.modules if name.split(".")[0] in ("google", "grpc", "proto")))
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("[]", "['google']")


def test_the_missing_extra_is_named():
    code = f"""
        import sys
        sys.modules["google.cloud.dataproc_v1"] = None
        from ai.starlake.gcp import StarlakeDataprocClusterConfig
        StarlakeDataprocClusterConfig(options={PROJECT})
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "MissingExtraError" in done.stderr
    assert "starlake-jobs[gcp]" in done.stderr
