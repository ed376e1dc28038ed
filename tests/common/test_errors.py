from __future__ import annotations

import pickle

import pytest

from ai.starlake.common import MissingEnvironmentVariable, NameCollisionError, StarlakeError
from ai.starlake.executor import CommandFailedError


def test_an_error_says_what_is_wrong_why_and_what_to_do() -> None:
    error = StarlakeError("a is wrong", cause="it is b", fix="write c")
    assert str(error) == "a is wrong\nit is b\nTo fix it: write c"
    assert (error.culprit, error.cause, error.fix) == ("a is wrong", "it is b", "write c")


def test_what_is_not_known_is_left_out() -> None:
    assert str(StarlakeError("a is wrong")) == "a is wrong"


@pytest.mark.parametrize(
    "error",
    [
        StarlakeError("a", cause="b", fix="c"),
        MissingEnvironmentVariable("SL_ROOT"),
        NameCollisionError("a_b", "a.b", "a-b"),
        CommandFailedError("starlake load", 3, ["last line"], fix="look", log_url="https://log"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_from_one_process_to_another(error: StarlakeError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_a_missing_variable_is_named_with_where_to_set_it() -> None:
    assert "environment variable" in str(MissingEnvironmentVariable("SL_ROOT"))
    assert "environment" not in str(MissingEnvironmentVariable("incoming_path"))
