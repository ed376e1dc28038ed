"""Stores of secrets that installed packages offer, and what references to them become."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai.starlake.common import Redactor, StarlakeError
from ai.starlake.common.plug_ins import plug_ins
from ai.starlake.common.secrets import (
    JoinedReference,
    SecretReference,
    environment_value,
    field_of,
    resolve_environment,
    resolved_text,
    secret_cache,
    used,
)

STORES = """
from dataclasses import dataclass

VALUES = {"db": "of the database", "mail": "of the mail"}
ASKED = []


@dataclass(frozen=True)
class Vault:
    path: str
    key: str = "value"

    def resolve(self):
        ASKED.append(self.path)
        return f"{self.key} {VALUES[self.path]}"


class Broken:
    def __init__(self, where):
        self.where = where
"""


@pytest.fixture(autouse=True)
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a distribution that offers two stores."""
    site, metadata = tmp_path / "site", tmp_path / "site" / "acme_vault-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "acme_vault.py").write_text(STORES)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-vault\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[starlake.secrets]\nvault = acme_vault:Vault\nbroken = acme_vault:Broken\nabsent = no_such_module:X [fast]\n"
    )
    monkeypatch.syspath_prepend(site)
    plug_ins.cache_clear()
    secret_cache.clear()
    yield
    plug_ins.cache_clear()
    secret_cache.clear()
    sys.modules.pop("acme_vault", None)


def reference(where: object) -> SecretReference:
    made = environment_value("X", {"vault": where})
    assert isinstance(made, SecretReference)
    return made


def acme() -> dict[str, str]:
    return sys.modules["acme_vault"].VALUES


def asked() -> list[str]:
    return sys.modules["acme_vault"].ASKED


def test_a_store_of_another_package_is_found_by_name() -> None:
    assert reference("db").resolve() == "value of the database"
    assert reference({"path": "mail", "key": "password"}).resolve() == "password of the mail"


def test_an_unknown_store_is_an_error_that_names_those_that_are_known() -> None:
    known = r"known are absent, aws, broken, connection, env, file, google, resource, variable, vault"
    with pytest.raises(StarlakeError, match=rf"the value of X refers to the store 'valt'.*\n{known}\n") as caught:
        environment_value("X", {"valt": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("where", [{"key": "password"}, {"path": "a", "colour": "hunter2"}])
def test_a_reference_with_wrong_parts_is_an_error_that_names_the_right_ones(where: dict[str, str]) -> None:
    with pytest.raises(StarlakeError, match="takes path, key") as caught:
        environment_value("X", {"vault": where})
    assert "hunter2" not in str(caught.value)


def test_a_store_that_returns_no_reference_is_named() -> None:
    with pytest.raises(StarlakeError, match="the store 'broken' of secrets returns a Broken"):
        environment_value("X", {"broken": "x"})


def test_a_store_whose_package_lacks_something_says_what_to_install() -> None:
    with pytest.raises(StarlakeError, match=r'pip install "acme-vault\[fast\]"'):
        environment_value("X", {"absent": "x"})


def test_an_environment_has_the_values_and_says_which_are_secret() -> None:
    environment = {"A": reference("db"), "B": reference("db"), "C": "plain"}
    assert resolve_environment(environment) == (
        {"A": "value of the database", "B": "value of the database", "C": "plain"},
        {"value of the database"},
    )
    assert asked() == ["db"]


def test_an_error_names_the_entry_the_reference_and_where_the_store_failed_but_no_value() -> None:
    broken = reference("no_such_path")
    with pytest.raises(StarlakeError) as caught:
        resolve_environment({"A": broken})
    lines = str(caught.value).splitlines()
    assert lines[0] == "A of option sl_env_var has no value"
    assert lines[1] == "the secret Vault(path='no_such_path', key='value') cannot be read"
    assert lines[2] == "KeyError in acme_vault.py:15"
    assert lines[3].startswith("To fix it: correct the reference or its store")


class TestTexts:
    """Values of options other than sl_env_var, such as the URL of a database."""

    def test_a_string_is_taken_as_it_is_and_the_password_of_a_url_is_masked(self) -> None:
        text, redactor = resolved_text("postgresql://ada:p%40ss@localhost/shop", label="option audit")
        assert text == "postgresql://ada:p%40ss@localhost/shop"
        assert (
            redactor.mask(f"cannot open {text} with p@ss") == "cannot open postgresql://ada:***@localhost/shop with ***"
        )

    def test_a_secret_is_masked_as_a_whole_and_by_its_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AUDIT_URL", "postgresql://ada:hunter2@localhost/shop")
        text, redactor = resolved_text({"env": "AUDIT_URL"}, label="option audit")
        assert text == "postgresql://ada:hunter2@localhost/shop"
        assert redactor.mask(f"{text}: hunter2 is refused") == "***: *** is refused"

    def test_an_error_names_what_the_text_is_for(self) -> None:
        with pytest.raises(StarlakeError, match=r"^option audit has no value\nNOT_SET_ANYWHERE is not defined"):
            resolved_text({"env": "NOT_SET_ANYWHERE"}, label="option audit")

    def test_a_secret_that_is_refused_is_fetched_again_and_used_once_more(self) -> None:
        given = reference("db")
        resolved_text(given, label="it")
        acme()["db"] = "of today"
        tried: list[str] = []

        def log_in(text: str) -> str:
            tried.append(text)
            if text != "value of today":
                raise PermissionError(text)
            return "welcome"

        assert used(given, log_in, refused=lambda error: isinstance(error, PermissionError), label="it") == "welcome"
        assert tried == ["value of the database", "value of today"]

    @pytest.mark.parametrize("error", [PermissionError, ValueError])
    def test_what_is_refused_for_good_or_fails_otherwise_is_not_tried_again(self, error: type[Exception]) -> None:
        tried: list[str] = []

        def log_in(text: str) -> None:
            tried.append(text)
            raise error

        with pytest.raises(error):
            used(reference("db"), log_in, refused=lambda raised: isinstance(raised, PermissionError), label="it")
        assert len(tried) == 1
        assert len(asked()) == (2 if error is PermissionError else 1)


class TestFields:
    def test_of_json_objects(self) -> None:
        secret = '{"password": "p\\u00e4ss", "port": 5432}'
        assert field_of(secret, None, "it") == secret
        assert field_of(secret, "password", "it") == "päss"
        assert field_of(secret, "port", "it") == "5432"

    @pytest.mark.parametrize("secret", ["hunter2", '["hunter2"]', '{"token": "hunter2"}'])
    def test_a_missing_field_is_an_error_that_shows_no_value(self, secret: str) -> None:
        with pytest.raises(StarlakeError, match="the secret db has no field password") as caught:
            field_of(secret, "password", "the secret db")
        assert "hunter2" not in str(caught.value)


def test_no_redactor_masks_what_is_no_secret() -> None:
    _, redactor = resolved_text("duckdb.db", label="it")
    assert redactor.mask("duckdb.db") == Redactor().mask("duckdb.db") == "duckdb.db"


def test_parts_may_stand_beside_the_store() -> None:
    values, secrets = resolve_environment({"X": environment_value("X", {"key": "password", "vault": "db"})})
    assert values == {"X": "password of the database"}
    assert secrets == {"password of the database"}


@pytest.mark.parametrize(
    "given", [{"vault": "db", "broken": "x"}, {"vault": {"path": "db"}, "key": "x"}, {"a": "b", "c": "d"}]
)
def test_what_could_be_read_in_two_ways_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(StarlakeError, match="the value of X is neither"):
        environment_value("X", given)


def test_every_reference_within_a_string_is_a_secret() -> None:
    url = JoinedReference(("x://ada:", environment_value("X", {"vault": "db"}), "@h"))
    values, secrets = resolve_environment({"X": url})
    assert values["X"] == url.resolve() == "x://ada:value of the database@h"
    assert {"value of the database", values["X"]} <= secrets
