"""The wait of pre-load checks."""

from __future__ import annotations

import time

import pytest

from ai.starlake.orchestration.preload.waiting import Patience, PreLoadFinding


class Clock:
    """A clock that advances when the code sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize(("interval", "looks"), [(10, 13), (300, 2), (7, 19)])
def test_it_says_what_is_waited_for_at_once_and_every_30_seconds(clock: Clock, interval: float, looks: int) -> None:
    told: list[tuple[float, str]] = []
    asked: list[float] = []

    def look() -> PreLoadFinding:
        asked.append(clock.now - 1000)
        return PreLoadFinding(ready=False, reason="no ack file x.ack")

    found = Patience(120, interval).wait(look, lambda line: told.append((clock.now - 1000, line)))
    assert told[0] == (0, "waiting: no ack file x.ack; checking again for 120 s at most")
    assert [moment for moment, _ in told] == pytest.approx([0, 30, 60, 90], abs=interval if interval < 30 else 0.1)
    assert (len(asked), asked[-1]) == (looks, 120)
    assert found.reason == "no ack file x.ack within 120 s"


def test_it_says_nothing_when_it_does_not_wait(clock: Clock) -> None:
    told: list[str] = []
    assert Patience(0, 10).wait(lambda: PreLoadFinding(ready=False, reason="no file"), told.append).reason == "no file"
    assert Patience(60, 10).wait(lambda: PreLoadFinding(ready=True, reason="a file"), told.append).ready
    assert told == []
