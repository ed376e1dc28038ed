"""Stores of secrets: those of installed packages, values fetched once, and fields of JSON secrets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

import pytest

from ai.starlake.common import StarlakeError, plug_ins
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.protocol import Execution
from ai.starlake.job import SecretReference, StarlakeCommand
from ai.starlake.job.secret_stores import environment_value, field_of, resolve_environment, secret_cache

CALLS: list[str] = []


@dataclass(frozen=True)
class Vault:
    """A store of a user's own: what another package offers in ten lines."""

    path: str
    key: str = "value"

    def resolve(self) -> str:
        CALLS.append(self.path)
        return f"{self.path}/{self.key} {len(CALLS)}"


class Silent:
    """A reporter that tells nobody."""

    def output(self, stream: str, line: str) -> None: ...

    def info(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...


class Broken:
    """A store that offers no reference."""

    def __init__(self, where: str) -> None:
        self.where = where


@dataclass
class Unhashable:
    """A reference that cannot be a key of a dictionary."""

    given: list[str] = field(default_factory=list)

    def resolve(self) -> str:
        self.given.append("asked")
        return str(len(self.given))


@pytest.fixture(autouse=True)
def stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    offered = {
        name: EntryPoint(name, f"{__name__}:{cls.__name__}", plug_ins.SECRETS)
        for name, cls in {"vault": Vault, "broken": Broken}.items()
    }
    monkeypatch.setattr("ai.starlake.job.secret_stores.plug_ins", lambda group: offered)
    CALLS.clear()
    secret_cache.clear()
    yield
    secret_cache.clear()


def test_a_store_of_another_package_is_found_by_name() -> None:
    assert environment_value("X", {"vault": "db"}) == Vault("db")
    assert environment_value("X", {"vault": {"path": "db", "key": "password"}}) == Vault("db", "password")


def test_an_unknown_store_is_an_error_that_names_those_that_are_known() -> None:
    with pytest.raises(
        StarlakeError, match=r"X refers to the store 'valt'.*\nknown are broken, env, file, vault\n"
    ) as it:
        environment_value("X", {"valt": "hunter2"})
    assert "hunter2" not in str(it.value)


@pytest.mark.parametrize("where", [{"key": "password"}, {"path": "a", "colour": "hunter2"}])
def test_a_reference_with_wrong_parts_is_an_error_that_names_the_right_ones(where: dict[str, str]) -> None:
    with pytest.raises(StarlakeError, match="takes path, key") as caught:
        environment_value("X", {"vault": where})
    assert "hunter2" not in str(caught.value)


def test_a_store_that_returns_no_reference_is_named() -> None:
    with pytest.raises(StarlakeError, match="the store 'broken' of secrets returns a Broken"):
        environment_value("X", {"broken": "x"})


def test_a_value_is_fetched_once_a_process() -> None:
    environment: dict[str, str | SecretReference] = {"A": Vault("db"), "B": Vault("db"), "C": Vault("mail")}
    first, _ = resolve_environment(environment)
    assert first == {"A": "db/value 1", "B": "db/value 1", "C": "mail/value 2"}
    assert resolve_environment(environment)[0] == first
    assert CALLS == ["db", "mail"]


def test_a_repeated_attempt_fetches_it_again() -> None:
    command = StarlakeCommand.of(["load"]).with_environment({"TOKEN": Vault("db")})
    tokens = [
        PreparedCommand.of(command, Execution("run", "step", Silent(), attempt), {}).environment["TOKEN"]
        for attempt in (0, 0, 1)
    ]
    assert tokens == ["db/value 1", "db/value 1", "db/value 2"]


def test_of_many_threads_one_fetches_it() -> None:
    threads = [threading.Thread(target=secret_cache.value, args=(Vault("db"),)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert CALLS == ["db"]


def test_a_failure_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "resolve", lambda self: (_ for _ in ()).throw(StarlakeError("sealed")))
        with pytest.raises(StarlakeError, match=r"A of option sl_env_var has no value\nsealed"):
            resolve_environment({"A": Vault("db")})
    assert resolve_environment({"A": Vault("db")})[0] == {"A": "db/value 1"}


def test_a_reference_that_cannot_be_hashed_is_fetched_each_time() -> None:
    reference = Unhashable()
    assert [secret_cache.value(reference) for _ in range(2)] == ["1", "2"]


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
