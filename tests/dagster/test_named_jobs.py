"""Jobs by the names of their executors, as YAML writes them."""

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob, StarlakeDagsterDataprocJob
from ai.starlake.dagster.named_jobs import checked_job, named_job
from ai.starlake.dagster.shell import StarlakeDagsterShellJob

DATAPROC = {"dataproc_project_id": "p", "spark_bucket": "b", "spark_jar_list": "gs://b/starlake.jar"}


class OwnJob(StarlakeDagsterShellJob):
    pass


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("embedded", {}, StarlakeDagsterEmbeddedJob),
        ("shell", {}, StarlakeDagsterShellJob),
        ("dataproc", DATAPROC, StarlakeDagsterDataprocJob),
        ("cloud_run", {"cloud_run_job_name": "starlake", "cloud_run_project_id": "p"}, StarlakeDagsterCloudRunJob),
        (f"{__name__}.OwnJob", {}, OwnJob),
    ],
)
def test_each_name_is_a_class(name, options, expected):
    made = type(named_job(name, options))
    assert (made.__module__, made.__name__) == (expected.__module__, expected.__name__)


def test_options_are_those_of_the_job():
    assert named_job("shell", {"retries": 3, "SL_STARLAKE_PATH": "/opt/starlake"}).settings.retries == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shel", "did you mean shell?"),
        ("nobody", "no installed package offers it"),
        ("no_such_package.Job", "No module named 'no_such_package'"),
        ("ai.starlake.dagster.shell.Nothing", "has no attribute 'Nothing'"),
        ("pathlib.Path", "is not a subclass of StarlakeDagsterJob"),
    ],
)
def test_what_is_not_an_executor_is_refused_by_name(name, expected):
    with pytest.raises(StarlakeError, match=f"{name} is not an executor") as raised:
        named_job(name)
    assert expected in str(raised.value)


def test_a_wrong_option_is_an_error_of_the_option():
    with pytest.raises(StarlakeError, match="retries"):
        named_job("embedded", {"retries": "many"})


@pytest.mark.parametrize("job", ["shell", StarlakeDagsterShellJob, 5])
def test_what_is_not_a_job_is_refused_with_an_example(job):
    with pytest.raises(StarlakeError, match=r"pass a job, such as StarlakeDagsterShellJob\(options="):
        checked_job(job)
