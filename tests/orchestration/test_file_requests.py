"""Requests of a file sensor, whatever happens between its ticks: no set of files twice, and no file forgotten."""

from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.orchestration.preload.file_requests import Busy, FileMemory, Tick, decide
from ai.starlake.orchestration.preload.file_watch import AckFile, Waiting, WaitingFile

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
LONG_AGO = NOW.timestamp() - 3_600
ORDERS = ("shop", "orders")


def file(name: str, version: int = 0, modified: float = LONG_AGO) -> WaitingFile:
    return WaitingFile(*ORDERS, name, "/incoming", 1, str(version), modified)


def tick(**arguments: object) -> Tick:
    return Tick("/project", NOW, settle=10, most_tables=100, **arguments)


class World:
    """A table, the files that wait for it, and the run that was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, int] = {}
        self.memory = FileMemory()
        self.busy: Busy | None = None
        self.asked: list[dict[str, int]] = []
        self.tried: dict[str, int] = {}
        """The files that a failed load put back."""

    def land(self, name: str) -> None:
        self.files[name] = self.files.get(name, self.tried.get(name, 0)) + 1

    def tick(self) -> bool:
        saved = FileMemory.read(self.memory.written())
        assert saved == self.memory
        waiting = Waiting({ORDERS: [file(name, version) for name, version in self.files.items()]} if self.files else {})
        decision = decide(waiting, saved, tick(busy={ORDERS: self.busy} if self.busy else {}))
        self.memory = decision.memory
        for request in decision.requests:
            assert self.busy is None
            assert dict(self.files) not in self.asked
            self.asked.append(dict(self.files))
            self.busy = Busy("run", request.digest)
        return bool(decision.requests)

    def load(self, *, succeeds: bool) -> None:
        if self.busy is None:
            return
        self.busy = None
        self.tried.update(self.files)
        if succeeds:
            self.files.clear()


@given(st.lists(st.sampled_from(["land a", "land b", "tick", "succeed", "fail"]), max_size=40))
def test_no_set_is_asked_for_twice_and_no_file_is_forgotten(steps):
    world = World()
    for step in steps:
        if step.startswith("land"):
            world.land(step[-1])
        elif step == "tick":
            world.tick()
        else:
            world.load(succeeds=step == "succeed")
    for _ in range(3):
        world.tick()
        world.load(succeeds=False)
    assert not world.tick()
    assert world.files.items() <= world.tried.items()


def test_the_cursor_of_another_version_is_not_read():
    assert FileMemory.read('{"serial": 1}') is None
    assert FileMemory.read('{"serial": 1, "young": 3, "asked": [], "told": [], "acks": []}') is None


def test_tables_of_a_domain_that_waits_for_the_others_keep_its_ack_file():
    waiting = Waiting({ORDERS: [file("a")], ("shop", "items"): [file("b", modified=NOW.timestamp())]})
    waiting.acks["shop"] = AckFile("/acks/shop", "one")
    first = decide(waiting, FileMemory(), tick(needs_ack={"shop"}))
    assert [request.table for request in first.requests] == [ORDERS]
    assert first.memory.acks == frozenset()
    waiting.files[("shop", "items")] = [file("b")]
    second = decide(waiting, first.memory, tick(needs_ack={"shop"}))
    assert [request.table for request in second.requests] == [("shop", "items")]
    assert second.used_acks == ()
    third = decide(waiting, second.memory, tick(needs_ack={"shop"}))
    assert [ack.path for ack in third.used_acks] == ["/acks/shop"]
