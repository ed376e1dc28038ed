"""One recipe prepares a command, for every executor."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor import Execution
from ai.starlake.executor.prepared import PreparedCommand, shown
from ai.starlake.job import EnvironmentReference, StarlakeCommand


class Silent:
    def output(self, stream: str, line: str) -> None: ...
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...


ATTEMPT = Execution("run", "step", Silent())


def masked(command: StarlakeCommand, text: str) -> str:
    return PreparedCommand.of(command, ATTEMPT).mask(text)


@pytest.mark.parametrize(
    "command",
    [
        StarlakeCommand("load", ("--accessToken", "hunter22")),
        StarlakeCommand("load", ("--accessToken=hunter22",)),
        StarlakeCommand("load", options={"db_password": "hunter22"}),
        StarlakeCommand("load", environment={"DB_PASSWORD": "hunter22"}),
    ],
)
def test_a_value_with_a_telling_name_is_masked(command: StarlakeCommand) -> None:
    assert masked(command, "it is hunter22") == "it is ***"
    assert "hunter22" not in shown(command)


def test_a_reference_of_one_command_is_masked_in_the_output_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE_IT_STANDS", "postgres://u:p@host")
    EnvironmentReference("WHERE_IT_STANDS")
    assert masked(StarlakeCommand("load"), "{'WHERE_IT_STANDS': 'postgres://u:p@host'}") == "{'WHERE_IT_STANDS': '***'}"


def test_inherited_values_with_telling_names_are_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.touch()
    monkeypatch.setenv("MY_API_KEY", "abcdefgh")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    monkeypatch.setenv("PWD", "/home/somebody")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    text = f"abcdefgh true /home/somebody {key}"
    assert masked(StarlakeCommand("load"), text) == f"*** true /home/somebody {key}"


def test_what_is_shown_fetches_nothing() -> None:
    command = StarlakeCommand(
        "load", ("--domains", "sales"), environment={"A": EnvironmentReference("NOT_SET_ANYWHERE")}
    )
    assert shown(command) == "starlake load --domains sales"


def test_the_environment_is_the_base_what_starlake_is_told_and_what_the_command_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A_REFERRED_ONE", "from the process")
    asked = {"SL_ROOT": "/p", "MINE": EnvironmentReference("A_REFERRED_ONE"), "SL_HTTP_PORT": "9900"}
    base = {"SL_ROOT": "/other", "PATH": "/bin", "SL_JOB_ID": "of somebody else"}
    prepared = PreparedCommand.of(StarlakeCommand("load", environment=asked), ATTEMPT, base)
    told = {"SL_API": "true", "SL_JOB_ID": "run.step"}
    assert prepared.environment == {"SL_ROOT": "/p", "PATH": "/bin", "MINE": "from the process", **told}
    elsewhere = PreparedCommand.of(StarlakeCommand("load"), ATTEMPT)
    assert elsewhere.environment == told


def test_locations_are_mapped_in_arguments_and_environment() -> None:
    command = StarlakeCommand("load", ("--files", "gcs://b/x"), environment={"SL_ROOT": "gcs://b", "DB_PASSWORD": "pw"})
    mapped = PreparedCommand.of(command, ATTEMPT).mapped(lambda text: text.replace("gcs://", "gs://"))
    assert (mapped.argv, mapped.root) == (("load", "--files", "gs://b/x"), "gs://b")
    assert "pw" not in f"{mapped!r}{mapped}"


def test_a_reference_without_a_value_names_the_entry() -> None:
    command = StarlakeCommand("load", environment={"TOKEN": EnvironmentReference("NOT_SET_ANYWHERE")})
    with pytest.raises(StarlakeError, match=r"TOKEN of option sl_env_var.*\n?.*NOT_SET_ANYWHERE"):
        PreparedCommand.of(command, ATTEMPT)
