"""Clean-up after a block that raises."""

from __future__ import annotations

import os
import signal

import pytest

from ai.starlake.executor.process.interrupts import cleaning_up


class Interruption(BaseException):
    """The exception of a signal handler."""


@pytest.fixture
def interrupted():
    """SIGTERM raises in the main thread, as in a step of Dagster."""

    def interrupt(_number, _frame):
        raise Interruption

    handler = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, handler)


def test_a_block_that_succeeds_is_not_cleaned_up():
    with cleaning_up(lambda: pytest.fail("nothing to clean up")):
        pass


@pytest.mark.parametrize("error", [ValueError("x"), Interruption()])
def test_whatever_is_raised_is_raised_again_after_the_clean_up(error):
    done = []
    with pytest.raises(type(error)) as caught, cleaning_up(lambda: done.append("cleaned up")):
        raise error
    assert caught.value is error
    assert done == ["cleaned up"]


@pytest.mark.parametrize(("error", "expected"), [(ValueError(), []), (Interruption(), ["cleaned up"])])
def test_only_an_interruption_counts_where_errors_are_excepted(error, expected):
    done = []
    with pytest.raises(type(error)), cleaning_up(lambda: done.append("cleaned up"), unless=Exception):
        raise error
    assert done == expected


@pytest.mark.usefixtures("interrupted")
def test_a_second_signal_waits_until_all_is_cleaned_up():
    done = []

    def clean_up():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("cleaned up")

    with pytest.raises(Interruption), cleaning_up(clean_up):
        raise ValueError
    assert done == ["cleaned up"]
