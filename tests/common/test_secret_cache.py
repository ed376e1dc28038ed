"""The values that a process keeps of secrets: fetched once, renewed when refused, by one thread of many."""

from __future__ import annotations

import sys
import threading
import time
import traceback
import urllib.error
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from types import FrameType

import pytest
import requests

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import FileReference
from ai.starlake.common.secrets.secret_cache import LIFETIME, SecretCache
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.protocol import Execution
from ai.starlake.job import StarlakeCommand


@dataclass(eq=False)
class Store:
    """A secret whose store counts how often it is asked, and answers as the test says."""

    answer: Callable[[int], str] = lambda number: f"value {number}"
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def resolve(self) -> str:
        with self.lock:
            self.asked += 1
        return self.answer(self.asked)


@dataclass
class Unhashable(Store):
    """A reference that cannot be a key of a dictionary."""

    __hash__ = None  # type: ignore[assignment]


class Clock:
    """Time that only passes while something waits."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> SecretCache:
    return SecretCache(clock, clock.sleep)


class Silent:
    """A reporter that tells nobody."""

    def output(self, stream: str, line: str) -> None: ...

    def info(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...


@dataclass(frozen=True)
class Named:
    """A secret that is known by its name, as those of stores are."""

    name: str
    asked: list[str] = field(default_factory=list, compare=False)

    def resolve(self) -> str:
        self.asked.append(self.name)
        return f"value of {self.name}"


def test_a_value_is_fetched_once_for_all_references_that_are_equal(cache: SecretCache) -> None:
    references = [Named("db"), Named("mail"), Named("db")]
    assert [cache.value(each) for each in references] == ["value of db", "value of mail", "value of db"]
    assert [each.asked for each in references] == [["db"], ["mail"], []]


def test_a_value_is_fetched_again_when_its_lifetime_is_over(cache: SecretCache, clock: Clock) -> None:
    store = Store()
    seen = []
    for now in (0, LIFETIME - 1, LIFETIME, LIFETIME + 1):
        clock.now = now
        seen.append(cache.value(store))
    assert seen == ["value 1", "value 1", "value 2", "value 2"]


def test_a_reference_says_how_long_its_value_is_kept(cache: SecretCache, clock: Clock) -> None:
    store = Store()
    store.lifetime = 60  # type: ignore[attr-defined]
    assert cache.value(store) == "value 1"
    clock.now = 60
    assert cache.value(store) == "value 2"


def test_files_are_read_each_time(cache: SecretCache, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    seen = []
    for value in ("old", "new"):
        file.write_text(value)
        seen.append(cache.value(FileReference(str(file))))
    assert seen == ["old", "new"]


def test_a_repeated_attempt_of_a_command_fetches_it_again() -> None:
    command = StarlakeCommand.of(["load"]).with_environment({"TOKEN": Store()})
    tokens = [
        PreparedCommand.of(command, Execution("run", "step", Silent(), attempt), {}).environment["TOKEN"]
        for attempt in (0, 0, 1, 0)
    ]
    assert tokens == ["value 1", "value 1", "value 2", "value 2"]


def wait_for_waiting(number: int) -> None:
    """Until so many threads wait for what another one fetches."""

    def waits(frame: FrameType) -> bool:
        calls = [(each.name, Path(each.filename).name) for each in traceback.extract_stack(frame)]
        return ("value", "secret_cache.py") in calls and ("result", "_base.py") in calls

    deadline = time.monotonic() + 60
    while sum(map(waits, sys._current_frames().values())) < number:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("renew", [False, True])
def test_of_fifty_steps_that_ask_at_once_one_fetches_it(renew: bool) -> None:
    cache, together, store = SecretCache(), threading.Barrier(50), Store()
    if renew:
        cache.value(store)
    answered = threading.Event()

    def slow(number: int) -> str:
        answered.wait(60)
        return f"value {number}"

    store.answer = slow

    def step(_: int) -> str:
        together.wait(60)
        return cache.value(store, renew=renew)

    with ThreadPoolExecutor(50) as threads:
        values = threads.map(step, range(50))
        wait_for_waiting(49)
        answered.set()
    latest = "value 2" if renew else "value 1"
    assert set(values) == {latest}
    assert store.asked == (2 if renew else 1)


def test_of_fifty_steps_all_fail_with_the_one_that_asked_and_later_ones_ask_again() -> None:
    cache, together = SecretCache(), threading.Barrier(50)

    def sealed(number: int) -> str:
        if number > 1:
            return "opened"
        wait_for_waiting(49)
        raise StarlakeError("sealed")

    store = Store(sealed)

    def step(_: int) -> str:
        together.wait(60)
        try:
            return cache.value(store)
        except StarlakeError as error:
            return str(error)

    with ThreadPoolExecutor(50) as threads:
        seen = list(threads.map(step, range(50)))
    assert seen == ["sealed"] * 50
    assert cache.value(store) == "opened"


def test_when_the_step_that_asks_is_interrupted_another_one_asks() -> None:
    cache, asking = SecretCache(), threading.Event()

    def answer(number: int) -> str:
        asking.set()
        if number == 1:
            wait_for_waiting(1)
            raise KeyboardInterrupt
        return "hunter2"

    store = Store(answer)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cache.value, store)
        assert asking.wait(60)
        second = threads.submit(cache.value, store)
        assert second.result(60) == "hunter2"
        assert isinstance(first.exception(60), KeyboardInterrupt)


def test_a_reference_that_cannot_be_hashed_is_fetched_each_time(cache: SecretCache) -> None:
    store = Unhashable()
    assert [cache.value(store) for _ in range(2)] == ["value 1", "value 2"]


def _of_requests(status: int) -> Exception:
    answer = requests.Response()
    answer.status_code = status
    return requests.HTTPError(f"{status} for url: https://vault/v1?token=hunter2", response=answer)


PASSING = [
    ConnectionResetError("reset"),
    TimeoutError("timed out"),
    requests.ConnectionError("refused"),
    requests.ReadTimeout("no answer"),
    _of_requests(503),
    urllib.error.URLError(ConnectionRefusedError("refused")),
    urllib.error.HTTPError("https://vault", 429, "Too Many Requests", Message(), None),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_a_store_that_does_not_answer_is_asked_again(cache: SecretCache, error: Exception) -> None:
    def answer(number: int) -> str:
        if number < 4:
            raise error
        return "hunter2"

    assert cache.value(Store(answer)) == "hunter2"


def test_a_store_that_is_down_fails_in_bounded_time(cache: SecretCache, clock: Clock) -> None:
    def down(number: int) -> str:
        raise ConnectionRefusedError(111, "Connection refused")

    store = Store(down)
    with pytest.raises(StarlakeError, match=r"ConnectionRefusedError: .* refused\nTo fix it: see that the store runs"):
        cache.value(store)
    assert store.asked > 3
    assert clock.now < 30


@pytest.mark.parametrize(
    "error", [_of_requests(403), PermissionError(13, "Permission denied"), StarlakeError("sealed")]
)
def test_a_store_that_refuses_is_not_asked_again(cache: SecretCache, error: Exception) -> None:
    def refuses(number: int) -> str:
        raise error

    store = Store(refuses)
    with pytest.raises(StarlakeError) as caught:
        cache.value(store)
    assert store.asked == 1
    assert "hunter2" not in str(caught.value)


def test_the_text_of_an_error_that_may_hold_the_value_is_not_shown(cache: SecretCache) -> None:
    store = Store(lambda number: str(int("hunter2")))
    with pytest.raises(StarlakeError, match=r"ValueError in test_secret_cache\.py:\d+") as caught:
        cache.value(store)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_what_is_not_a_string_is_refused_unseen(cache: SecretCache) -> None:
    store = Store(lambda number: b"hunter2")  # type: ignore[arg-type,return-value]
    with pytest.raises(StarlakeError, match="`resolve` returned a value of type bytes") as caught:
        cache.value(store)
    assert "hunter2" not in str(caught.value)
