"""The files of samples/deploy fit each other, and Dagster. Docker and Kubernetes themselves are not needed here."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import Definitions

from tests.bakery import SAMPLE

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "samples" / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
INSTANCE: dict[str, Any] = yaml.safe_load((DEPLOY / "dagster.yaml").read_text("utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text("utf-8"))
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def variables(content: object) -> set[str]:
    """Return the environment variables that a configuration of Dagster names."""
    if isinstance(content, dict):
        if set(content) == {"env"}:
            return {content["env"]}
        return set().union(*map(variables, content.values())) if content else set()
    return set().union(*map(variables, content)) if isinstance(content, list) and content else set()


def stage_of(target: str) -> str:
    """Return the instructions of a target of the Dockerfile, those of its base included."""
    found = re.findall(r"^FROM (\S+) AS (\w+)\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.M | re.S)
    stages = {name: (base, re.sub(r"^#.*\n", "", text, flags=re.M)) for base, name, text in found}
    base, text = stages[target]
    return (stage_of(base) if base in stages else "") + text


def test_each_service_has_the_variables_that_the_instance_reads() -> None:
    needed = variables(INSTANCE)
    assert len(needed) == 5
    for name, service in OURS.items():
        assert needed <= service["environment"].keys(), name


def test_passwords_come_from_outside_and_are_required() -> None:
    written = (DEPLOY / "docker-compose.yml").read_text("utf-8")
    passwords = re.findall(r"PASSWORD: (.*)", written)
    assert len(passwords) == 2
    assert all(value.startswith("${DAGSTER_PG_PASSWORD:?") for value in passwords)
    example = dict(re.findall(r"^#?(\w+)=(.*)$", (DEPLOY / ".env.example").read_text("utf-8"), re.M))
    assert example["DAGSTER_PG_PASSWORD"] == ""
    assert set(re.findall(r"\$\{(\w+)", written)) == set(example)


def test_services_wait_for_services_that_exist_and_tell_their_health() -> None:
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[name]


def test_volumes_are_declared_and_logs_are_shared() -> None:
    named = {volume.split(":")[0] for each in SERVICES.values() for volume in each["volumes"] if volume[0].isalpha()}
    assert named == set(COMPOSE["volumes"])
    logs = f"logs:{INSTANCE['compute_logs']['config']['base_dir']}"
    assert all(logs in service["volumes"] for service in OURS.values())


@pytest.mark.parametrize("name", OURS)
def test_the_image_of_a_service_is_built_from_files_that_exist(name: str) -> None:
    build = OURS[name]["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert context == ROOT
    assert (context / build["dockerfile"]).read_text("utf-8") == DOCKERFILE
    text = stage_of(build["target"])
    for sources in re.findall(r"^COPY (.*) \S+$", text, re.M):
        assert all((context / source).exists() for source in sources.split())
    assert text.rstrip().splitlines()[-1].startswith(("USER", "CMD"))
    assert "USER dagster" in text


def test_the_code_location_is_where_the_workspace_looks_for_it() -> None:
    (server,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text("utf-8"))["load_from"]
    place = server["grpc_server"]
    assert place["host"] in SERVICES
    command = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.M)
    assert command
    arguments = yaml.safe_load(command[1])
    assert arguments[arguments.index("--port") + 1] == str(place["port"])
    assert arguments[arguments.index("--python-file") + 1] == "definitions.py"
    assert str(place["port"]) in SERVICES[place["host"]]["healthcheck"]["test"]


def test_only_this_machine_reaches_the_web_server() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:3000:3000"]


def test_the_definitions_make_assets_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SAMPLE, tmp_path / "project", ignore=shutil.ignore_patterns("datasets"))
    monkeypatch.setenv("SL_ROOT", str(tmp_path / "project"))
    defs = runpy.run_path(str(DEPLOY / "definitions.py"))["defs"]
    assert isinstance(defs, Definitions)
    Definitions.validate_loadable(defs)
    assert len(list(defs.schedules or [])) >= 1
    assert "SL_ROOT" in SERVICES["code_location"]["environment"]


def test_kubernetes_runs_the_same_code_with_the_same_limits() -> None:
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    assert deployment["image"]["repository"] == SERVICES["code_location"]["image"]
    assert deployment["dagsterApiGrpcArgs"] == ["--python-file", "definitions.py"]
    assert {each["name"]: each["value"] for each in deployment["env"]} == {"SL_ROOT": "/project"}
    assert [each["mountPath"] for each in deployment["volumeMounts"]] == ["/project"]
    daemon = VALUES["dagsterDaemon"]
    limit = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]["maxConcurrentRuns"]
    assert limit == INSTANCE["run_coordinator"]["config"]["max_concurrent_runs"]
    monitoring = {"enabled": True, "freeSlotsAfterRunEndSeconds": 300}
    assert daemon["runMonitoring"] == monitoring
    assert INSTANCE["run_monitoring"]["free_slots_after_run_end_seconds"] == monitoring["freeSlotsAfterRunEndSeconds"]
