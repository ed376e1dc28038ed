from __future__ import annotations

from pathlib import Path

import dagster
import pytest

from ai.starlake.common import MissingEnvironmentVariable, StarlakeError
from ai.starlake.common.secrets import environment_value, resolve_environment
from ai.starlake.job import EnvironmentReference, FileReference


class Vault:
    """A reference of a user's own."""

    def resolve(self) -> str:
        return "from the vault"


@pytest.mark.parametrize(
    ("given", "value"),
    [("text", "text"), ("", ""), (5, "5"), (1.5, "1.5"), (True, "true"), (False, "false"), (0, "0")],
)
def test_texts_and_numbers_are_taken_as_they_are(given: object, value: str) -> None:
    assert environment_value("X", given) == value


@pytest.mark.parametrize(
    ("given", "reference"),
    [
        ({"env": "TOKEN"}, EnvironmentReference("TOKEN")),
        ({"file": "/run/secrets/token"}, FileReference("/run/secrets/token")),
        (dagster.EnvVar("TOKEN"), EnvironmentReference("TOKEN")),
    ],
)
def test_references_are_read(given: object, reference: object) -> None:
    assert environment_value("X", given) == reference


def test_references_of_a_users_own_are_kept() -> None:
    vault = Vault()
    assert environment_value("X", vault) is vault


@pytest.mark.parametrize("given", [None, [], ["a"], {}, {"env": ""}, {"env": 5}, {"env": "A", "file": "B"}])
def test_anything_else_is_refused_without_being_shown(given: object) -> None:
    with pytest.raises(StarlakeError, match="the value of X is neither") as caught:
        environment_value("X", given)
    assert "vault" not in str(caught.value)


def test_values_are_fetched_when_they_are_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    values = {"A": "a", "B": EnvironmentReference("B_SECRET"), "C": FileReference(str(file)), "D": Vault()}
    file.write_text("  of a file\r\n")
    monkeypatch.setenv("B_SECRET", "of the environment")
    texts, secrets = resolve_environment(values)
    assert texts == {"A": "a", "B": "of the environment", "C": "  of a file", "D": "from the vault"}
    assert secrets == {"of the environment", "  of a file", "from the vault"}


@pytest.mark.parametrize("reference", [EnvironmentReference("NOT_SET_ANYWHERE"), FileReference("/no/such/file")])
def test_a_reference_that_leads_nowhere_names_its_entry(reference: object) -> None:
    with pytest.raises(StarlakeError, match=r"^TOKEN of option sl_env_var has no value"):
        resolve_environment({"TOKEN": reference})  # type: ignore[dict-item]


def test_a_missing_variable_is_missing() -> None:
    with pytest.raises(MissingEnvironmentVariable, match="NOT_SET_ANYWHERE"):
        EnvironmentReference("NOT_SET_ANYWHERE").resolve()


def test_a_binary_file_is_no_secret_to_pass_on(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"\xff\xfehunter2")
    with pytest.raises(StarlakeError, match="cannot be read") as caught:
        FileReference(str(file)).resolve()
    assert "hunter2" not in str(caught.value)
