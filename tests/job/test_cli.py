"""Differences between versions of the command line, according to the tags of the starlake repository."""

from __future__ import annotations

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.job import StarlakeCli


@pytest.mark.parametrize(
    ("version", "verb", "scheduled_date", "report_format", "sentinel"),
    [
        ("1.0.0", "import", False, False, False),
        ("1.1.3", "import", False, False, False),
        ("1.2.0", "stage", False, False, False),
        ("1.3.0", "stage", False, False, False),
        ("1.5.0", "stage", False, False, False),
        ("1.5.1", "stage", True, False, False),
        ("1.5.5", "stage", True, False, False),
        ("1.5.9", "stage", True, True, False),
        ("1.5.14", "stage", True, True, False),
        ("1.5.15", "stage", True, True, True),
        ("1.8.1", "stage", True, True, True),
        (None, "stage", True, True, True),
    ],
)
def test_what_a_version_knows(
    version: str | None, verb: str, scheduled_date: bool, report_format: bool, sentinel: bool
) -> None:
    cli = StarlakeCli.of(version)
    assert cli.stage_verb == verb
    flags = ("--scheduledDate", "--reportFormat", "--notReadySentinel")
    assert tuple(map(cli.accepts, flags)) == (scheduled_date, report_format, sentinel)


@pytest.mark.parametrize(
    ("version", "arguments"),
    [
        ("1.1.3", ("--include", "sales")),
        ("1.2.0", ("--domains", "sales", "--tables", "a,b")),
        (None, ("--domains", "sales", "--tables", "a,b")),
    ],
)
def test_the_arguments_of_staging(version: str | None, arguments: tuple[str, ...]) -> None:
    assert StarlakeCli.of(version).stage_arguments("sales", ("a", "b")) == arguments


def test_staging_all_tables_names_none() -> None:
    assert StarlakeCli().stage_arguments("sales", ()) == ("--domains", "sales")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.5.16", (1, 5, 16)),
        ("v1.2", (1, 2, 0)),
        (" 1.8.2-SNAPSHOT ", (1, 8, 2)),
        ("1.5.1.rc1", (1, 5, 1)),
    ],
)
def test_versions_are_read(text: str, version: tuple[int, int, int]) -> None:
    assert StarlakeCli.of(text).version == version


@pytest.mark.parametrize("text", ["", "latest", "1", "0.9.0", "1.x", "one.two", "1.5.16 or so", "-1.2", "99999.1.1"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(StarlakeError, match="starlake_version"):
        StarlakeCli.of(text)


@pytest.mark.parametrize("version", ["1.0.0", "1.3.3", "1.5.14"])
def test_versions_whose_preload_cannot_be_told_from_a_failure_are_refused(version: str) -> None:
    with pytest.raises(StarlakeError, match="pre_load_check") as caught:
        StarlakeCli.of(version).require_preload_command()
    assert version in str(caught.value)


def test_a_version_is_shown_as_it_is_written() -> None:
    assert (str(StarlakeCli.of("1.5.16")), str(StarlakeCli())) == ("1.5.16", "current")
