"""Settings of all tests: hypothesis profiles, and signals.

``settled``, the default: the same examples each time, so that a change fails for what it changed and for nothing else.
``explore``: other examples each time; ``pytest --hypothesis-profile=explore tests/project`` looks for what nobody has
seen yet. What it finds becomes a test of its own.
``oldest``: ten of the settled examples, for `make test-oldest`: there the versions of packages are tried, and the space
of inputs is not; `make test` has all examples.
"""

from __future__ import annotations

import configparser
import functools
import gc
import os
import signal
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about what else the machine does than about the code; fixtures that are made once
# for all examples are emptied by the tests that use them.
_ANYWHERE = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)

settings.register_profile("settled", _ANYWHERE, derandomize=True)
settings.register_profile("explore", _ANYWHERE)
settings.register_profile("oldest", _ANYWHERE, derandomize=True, max_examples=10)
settings.load_profile("settled")

# The collector scans the objects of imports and of thousands of tests again and again, none of which is garbage:
# without it, tests are found in an eighth less time. `pytest_collection_finish` lets it run again.
gc.disable()

# gcsfs reads this when it is imported: without it, it asks Google for the kind of each bucket, and an emulator has no
# answer to that.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

# Started in the background of a script, the tests would ignore SIGINT, and so would all processes that they start and
# end. Dagster makes it worse: it takes SIGTERM to be like SIGINT.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Temporary folders are in memory where it is plentiful: most of what tests write is flushed to the disk at once, by
# SQLite and DuckDB, and is of no use afterwards. `--basetemp` names another place.
_MEMORY = Path("/dev/shm")
_ENOUGH = 6 << 30


def _has_room(place: Path) -> bool:
    if not place.is_dir() or not os.access(place, os.W_OK):
        return False
    status = os.statvfs(place)
    room = min(status.f_bavail * status.f_frsize, psutil.virtual_memory().available)
    return not status.f_flag & os.ST_NOEXEC and room > _ENOUGH


if _has_room(_MEMORY):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


# Airflow has an environment of its own: `make test-airflow` runs these tests. To look for `airflow.sdk` would import
# `airflow`, with the settings of the caller.
collect_ignore = [] if find_spec("airflow") else ["airflow"]


def pytest_sessionstart() -> None:
    """Refuse to test with entry points that are not those of setup.cfg: executors and templates are found by them.

    Raises:
        UsageError: If the project was installed before they changed.
    """
    declared = configparser.ConfigParser(delimiters=["="])
    declared.optionxform = str  # type: ignore[assignment]
    declared.read(Path(__file__).parents[1] / "setup.cfg")
    for group, text in declared["options.entry_points"].items():
        wanted = {
            tuple(part.strip() for part in line.partition("=")[::2])
            for line in text.strip().splitlines()
            if "=" in line
        }
        installed = {(each.name, each.value) for each in entry_points(group=group)}
        if not wanted <= installed:
            raise pytest.UsageError(f"the entry points {group} of the installed project are old: run `make setup`")


# Files of slow tests, and of Airflow's, that take longest, the longest first. Each is one worker's work: begun last, it
# would keep the others waiting at the end.
_LONG = (
    "benchmarks/soak/test_soak.py",
    "executor/warm/test_kill_matrix.py",
    "dagster/gcp/test_endings.py",
    "packaging/test_first_hour.py",
    "embedded/properties/test_strategies.py",
    "dagster/dev/test_facade.py",
    "embedded/properties/test_kills.py",
    "packaging/test_release.py",
    "dagster/warm/test_warm_runs.py",
    "dagster/warm/test_warm_code_location.py",
    "samples/deploy/test_deployment.py",
    "gcp/dataproc/test_random_faults.py",
    "embedded/properties/test_system_calls.py",
    "airflow/test_standalone.py",
    "airflow/test_ended_tasks.py",
    "airflow/test_pre_load_on_airflow.py",
    "airflow/test_airflow_sample.py",
    "airflow/test_command_line_runs.py",
)


# Tests that read text of this repository: the versions of packages, and of Python, make no difference to them.
# `make test-oldest` leaves them out.
_ANY_VERSION = (
    "documentation/test_compatibility.py",
    "documentation/test_links.py",
    "documentation/test_troubleshooting.py",
    "embedded/properties/test_documentation.py",
    "gcp/test_docs.py",
    "gcp/test_every_call_is_wrapped.py",
    "benchmarks/soak/test_soak.py",
    "test_architecture.py",
    "test_comparison.py",
    "test_docstrings.py",
    "test_habits.py",
    "test_language.py",
    "test_version.py",
    "executor/warm/test_server_classes.py",
)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that need not run again with other versions; give the others fewer examples there."""
    if item.path in _any_version():
        item.add_marker(pytest.mark.version_independent)
    if item.config.getoption("hypothesis_profile") == "oldest" and isinstance(item, pytest.Function):
        _have_fewer_examples(getattr(item.obj, "__func__", item.obj))


def _have_fewer_examples(test: Any) -> None:
    """Limit the number of examples that a test sets for itself to that of the profile, which all others have."""
    own: settings | None = getattr(test, "_hypothesis_internal_use_settings", None)
    if own is not None and own.max_examples > settings.default.max_examples:
        test._hypothesis_internal_use_settings = settings(own, max_examples=settings.default.max_examples)


@functools.cache
def _any_version() -> frozenset[Path]:
    places = frozenset(Path(__file__).parent / name for name in _ANY_VERSION)
    missing = [str(place) for place in places if not place.exists()]
    if missing:
        raise pytest.UsageError(f"tests/conftest.py lists what does not exist: {missing}")
    return places


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; leave all others in their order."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Run the garbage collector less often: it scans the objects of imports and tests, none of which is garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


def pytest_sessionfinish() -> None:
    """Stop the PostgreSQL server of this process, if a test needed one."""
    server = sys.modules.get("tests.postgres_server")
    if server is not None:
        server.stop_shared_server()
