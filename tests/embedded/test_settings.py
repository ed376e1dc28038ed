"""``settings``: what the files and the environment add up to, and that no secret is among it."""

import json
from pathlib import Path

import pytest

from ai.starlake.embedded.cli.effective_settings import as_table
from ai.starlake.embedded.cli.main import run

APPLICATION = """
version: 1
application:
  connectionRef: warehouse
  loadConnectionRef: duckdb
  grouped: true
  connections:
    duckdb:
      type: jdbc
      options:
        url: "jdbc:duckdb:{{SL_ROOT}}/datasets/my.db"
    warehouse:
      type: jdbc
      options:
        url: "jdbc:postgresql://ada:pa55word@host/db?token=t0ken"
        user: ada
        password: "{{DB_PASSWORD}}"
        note: "sent with {{DB_PASSWORD}} by {{API_TOKEN}}"
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    metadata = tmp_path / "metadata"
    metadata.mkdir()
    (metadata / "application.sl.yml").write_text(APPLICATION)
    (metadata / "env.sl.yml").write_text("version: 1\nenv:\n  API_TOKEN: abcd-efgh\n  colour: red\n")
    (metadata / "env.QA.sl.yml").write_text("version: 1\nenv:\n  colour: blue\n")
    monkeypatch.setenv("SL_ROOT", str(tmp_path))
    monkeypatch.setenv("DB_PASSWORD", "hunter22")
    monkeypatch.setenv("SOMETHING_ELSE", "of the process")
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, str]]:
    assert run(["settings", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_counts(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SL_ENV", "QA")
    monkeypatch.setenv("SL_AREA_STAGE", "pending")
    monkeypatch.setenv("SL_ARCHIVE", "false")
    found = shown(capsys, "--options", "size=small")
    assert found["project"]["root"] == str(root)
    assert found["project"]["profile (SL_ENV)"] == "QA"
    assert found["areas"]["stage"] == f"{root}/datasets/pending"
    assert found["connections"]["of loads"] == f"duckdb ({root}/datasets/my.db)"
    assert found["connections"]["of transforms"] == "warehouse"
    assert (found["settings"]["archive"], found["settings"]["grouped"]) == ("false", "true")
    assert (found["variables"]["colour"], found["variables"]["size"]) == ("blue", "small")
    assert "SOMETHING_ELSE" not in found["variables"]
    assert found["versions"]["duckdb"][0].isdigit()


@pytest.mark.parametrize("variable", ["PWD", "OLDPWD", "CREDENTIALS_FOLDER"])
def test_the_folder_of_the_project_is_shown_whatever_variable_holds_it(
    root: Path, variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, str(root))  # PWD is where a shell is, and its name resembles that of a password
    assert shown(capsys)["project"]["root"] == str(root)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("style", [[], ["--json"]])
def test_no_secret_is_shown(capsys: pytest.CaptureFixture[str], style: list[str]) -> None:
    assert run(["settings", *style]) == 0
    out = capsys.readouterr().out
    assert "***" in out
    assert "host/db" in out
    for secret in ("hunter22", "abcd-efgh", "pa55word", "t0ken"):
        assert secret not in out


def test_a_connection_that_does_not_exist_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del root
    monkeypatch.setenv("SL_CONNECTION_REF", "nowhere")
    assert shown(capsys)["connections"]["of transforms"] == "the connection nowhere does not exist"


def test_a_table_in_a_pipe_has_a_line_a_value() -> None:
    text = as_table({"variables": {"long": "x" * 300, "markup": "[bold]y[/bold]"}})
    assert any(line.split() == ["long", "x" * 300] for line in text.splitlines())
    assert any(line.split() == ["markup", "[bold]y[/bold]"] for line in text.splitlines())


def test_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SL_ROOT", str(tmp_path))
    assert run(["settings"]) == 1
    assert "is not a Starlake project" in capsys.readouterr().err
