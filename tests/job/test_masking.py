"""One function finds the secrets of a command, for every executor."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai.starlake.job import EnvironmentReference, StarlakeCommand
from ai.starlake.job.masking import resolve_secrets, shown


def masked(command: StarlakeCommand, text: str) -> str:
    return resolve_secrets(command)[1].mask(text)


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
