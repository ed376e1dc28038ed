"""A pre-load check as plain data: it tells the same in another process, takes nothing away, and holds no secret."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import EnvironmentReference, JoinedReference
from ai.starlake.gcp.gcp_options import GcpOptions
from ai.starlake.job import JobOptions, StarlakePreLoadStrategy
from ai.starlake.job.job_options import composed
from ai.starlake.orchestration.asset_options import AssetOptions
from ai.starlake.orchestration.preload.pre_load_watch import PreLoadWatch
from tests.fakes.small_project import Project

AREAS = {"imported": "incoming", "pending": "stage"}
NOW = datetime(2026, 3, 1, 23, tzinfo=timezone.utc)


class HandMade:
    """A reference that is not a dataclass: another process cannot recreate it."""

    def resolve(self) -> str:
        return "hand-made"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


def watch_of(project, strategy, tables=(), *, model=JobOptions, env=None, **options):
    environment = {"SL_ROOT": str(project.root), **(env or {})}
    settings = model.read({"sl_env_var": environment, **options})
    return PreLoadWatch(settings, "starbake", tables, StarlakePreLoadStrategy(strategy), NOW)


def elsewhere(watch):
    """Return the watch as another process recreates it from JSON."""
    return PreLoadWatch.of_plain_data(json.loads(json.dumps(watch.as_plain_data())))


class TestSeen:
    @pytest.mark.parametrize("strategy", AREAS)
    @pytest.mark.parametrize("tables", [(), ("Customers",)])
    def test_files(self, project, strategy, tables):
        watch = elsewhere(watch_of(project, strategy, tables))
        project.put(AREAS[strategy], "strange.csv")
        assert not watch.seen()
        file = project.put(AREAS[strategy])
        assert watch.seen()
        assert file.exists()

    @pytest.mark.parametrize("strategy", AREAS)
    def test_files_of_other_tables(self, project, strategy):
        project.put(AREAS[strategy])
        assert not elsewhere(watch_of(project, strategy, ("Orders",))).seen()

    def test_an_ack_file_of_the_run_s_date_which_stays(self, project):
        watch = elsewhere(watch_of(project, "ack"))
        other = project.put("pending", "2026-03-02.ack")
        assert not watch.seen()
        ack = project.put("pending", "2026-03-01.ack")
        assert watch.seen()
        assert ack.exists()
        assert other.exists()

    def test_a_folder_that_is_made_later(self, project):
        watch = elsewhere(watch_of(project, "pending"))
        assert not watch.seen()
        project.put("stage")
        assert watch.seen()

    def test_what_cannot_be_found_out_is_an_error(self, project):
        with pytest.raises(StarlakeError, match="nosuchscheme"):
            elsewhere(watch_of(project, "pending", pending_path="nosuchscheme://bucket/x")).seen()

    def test_a_command_cannot_be_watched(self, project):
        with pytest.raises(StarlakeError, match="runs a command"):
            elsewhere(watch_of(project, "imported", pre_load_check="command")).seen()


class TestPlainData:
    def test_options_survive(self, project):
        model = composed(GcpOptions, AssetOptions)
        given = {"incoming_path": "{SL_ROOT}/lake", "SL_TIMEZONE": "Europe/Paris", "project_copy": "gs://b/copy"}
        watch = watch_of(project, "imported", model=model, storage_endpoint="http://127.0.0.1:9", **given)
        settings = elsewhere(watch).settings
        assert isinstance(settings, GcpOptions)
        assert isinstance(settings, AssetOptions)
        assert (settings.incoming_path, settings.timezone) == ("{SL_ROOT}/lake", "Europe/Paris")
        assert (settings.project_copy, settings.storage_endpoint) == ("gs://b/copy", "http://127.0.0.1:9")

    def test_references_are_resolved_by_the_process_that_watches(self, project, monkeypatch):
        watch = watch_of(project, "pending", env={"SL_DATASETS": {"env": "LAKE"}})
        data = json.dumps(watch.as_plain_data())
        monkeypatch.setenv("LAKE", f"{project.root}/datasets")
        project.put("stage")
        assert PreLoadWatch.of_plain_data(json.loads(data)).seen()
        assert f"{project.root}/datasets" not in data

    def test_it_holds_no_secret(self, project, tmp_path):
        (tmp_path / "token").write_text("s3cret-of-a-file")
        env = {
            "DB_PASSWORD": "s3cret-by-name",
            "JDBC": "postgresql://ada:s3cret-of-a-url@db/shop",
            "TOKEN": {"file": str(tmp_path / "token")},
            "OWN": HandMade(),
        }
        data = json.dumps(watch_of(project, "pending", env=env).as_plain_data())
        assert "s3cret" not in data
        assert "hand-made" not in data
        assert "FileReference" in data

    def test_references_within_a_path_are_resolved_by_the_process_that_watches(self, project, monkeypatch):
        joined = JoinedReference((f"{project.root}/", EnvironmentReference("LAKE")))
        data = json.dumps(watch_of(project, "pending", env={"SL_DATASETS": joined}).as_plain_data())
        monkeypatch.setenv("LAKE", "datasets")
        project.put("stage")
        assert PreLoadWatch.of_plain_data(json.loads(data)).seen()

    @pytest.mark.parametrize(
        ("name", "text"),
        [("JDBC", "host={};password=s3cret"), ("JDBC", "pg://a:s3cret@{}"), ("DB_PASSWORD", "s3cret{}")],
    )
    def test_a_secret_that_is_written_beside_a_reference_is_left_out(self, project, name, text):
        before, _, after = text.partition("{}")
        joined = JoinedReference((before, EnvironmentReference("LAKE"), after))
        assert "s3cret" not in json.dumps(watch_of(project, "pending", env={name: joined}).as_plain_data())

    def test_a_class_that_is_missing_is_named(self, project):
        data = watch_of(project, "pending").as_plain_data()
        with pytest.raises(StarlakeError, match=r"no\.such:Model cannot be imported here"):
            PreLoadWatch.of_plain_data({**data, "models": ["no.such:Model"]})

    def test_another_process_sees_the_same(self, project):
        project.put("stage")
        program = (
            "import json, sys\n"
            "from ai.starlake.orchestration.preload.pre_load_watch import PreLoadWatch\n"
            "print(PreLoadWatch.of_plain_data(json.load(sys.stdin)).seen())\n"
        )
        data = json.dumps(watch_of(project, "pending").as_plain_data())
        done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, text=True, check=True)
        assert done.stdout == "True\n"
