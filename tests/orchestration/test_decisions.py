"""Starts of a pipeline that waits for data, and their dates: the decision alone."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.orchestration.freshness.decision import Start, Update, Wait, decide
from ai.starlake.orchestration.freshness.memory import Memory
from ai.starlake.orchestration.freshness.policy import Policy, TriggerDataset
from ai.starlake.orchestration.freshness.triggering import condition_of

UTC = timezone.utc
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def policy(*datasets, strategy="all", **settings):
    known = tuple(TriggerDataset(each) if isinstance(each, str) else each for each in datasets)
    return Policy(known, condition_of(strategy, [dataset.name for dataset in known]), **settings)


class World:
    """Datasets that are updated, and the decisions about one pipeline."""

    def __init__(self, waits_for):
        self.policy = waits_for
        self.memory = Memory()
        self.updates = {}
        self.now = NOON
        self.number = 0

    def update(self, *names, logical=None, recorded=None):
        for name in names:
            self.number += 1
            self.updates.setdefault(name, []).append(Update(self.number, recorded or self.now, logical or self.now))

    def look(self, minutes=0):
        """Return the newest run that starts, or why none does; `runs` and `left_out` tell of the others."""
        self.now += timedelta(minutes=minutes)
        decision = decide(self.policy, self.memory, self.updates, self.now)
        self.memory = Memory.read(decision.memory.written())
        assert self.memory == decision.memory
        self.updates = {name: found[-1:] for name, found in self.updates.items()}
        self.runs = decision.outcome if not isinstance(decision.outcome, Wait) else ()
        self.left_out = decision.left_out
        return self.runs[-1] if self.runs else decision.outcome


class TestStrategies:
    def test_any_starts_on_each_update_and_once_for_it(self):
        world = World(policy("a.x", "a.y", strategy="any"))
        assert isinstance(world.look(), Wait)
        world.update("a.x")
        assert world.look().because == ("a.x",)
        assert isinstance(world.look(), Wait)
        world.update("a.y")
        assert world.look().because == ("a.y",)

    def test_all_waits_for_each_since_the_last_run(self):
        world = World(policy("a.x", "a.y"))
        world.update("a.x")
        assert "waits for a.y" in world.look().reason
        world.update("a.x", "a.y")
        assert isinstance(world.look(), Start)
        world.update("a.y")
        assert "waits for a.x" in world.look().reason

    def test_an_expression(self):
        world = World(policy("a.x", "a.y", "a.z", strategy="a.x & (a.y | a.z)"))
        world.update("a.y", "a.z")
        assert isinstance(world.look(), Wait)
        world.update("a.x")
        assert world.look().because == ("a.x", "a.y", "a.z")

    def test_updates_of_before_the_start_date_count_for_nothing(self):
        world = World(policy("a.x", strategy="any", start=date(2026, 3, 1)))
        world.update("a.x", recorded=at("2026-02-28T23:59:59"))
        assert isinstance(world.look(), Wait)
        world.update("a.x", recorded=at("2026-03-01T00:00:00"))
        assert isinstance(world.look(), Start)

    @given(st.lists(st.sampled_from(["a.x", "a.y", "a.z", None]), max_size=25))
    def test_no_update_is_lost_and_none_is_counted_twice(self, events):
        world = World(policy("a.x", "a.y", "a.z", strategy="any"))
        runs = pending = 0
        for name in events:
            if name:
                world.update(name)
                pending += 1
            else:
                started = isinstance(world.look(), Start)
                assert started == (pending > 0)
                runs, pending = runs + started, 0
        assert len(world.memory.consumed) <= 3


class TestTimeBetweenRuns:
    def test_a_run_comes_later_not_never(self):
        world = World(policy("a.x", min_between_runs=900))
        world.update("a.x")
        assert isinstance(world.look(), Start)
        world.update("a.x")
        assert "not before 2026-03-02 12:15:00 UTC" in world.look(minutes=14).reason
        assert isinstance(world.look(minutes=1), Start)


class TestFreshness:
    def test_what_is_fresh_enough_is_not_waited_for(self):
        world = World(policy("a.x", TriggerDataset("a.y", freshness=3600)))
        world.update("a.x", "a.y")
        assert isinstance(world.look(), Start)
        world.update("a.x")
        assert isinstance(world.look(minutes=59), Start)
        world.update("a.x")
        assert "waits for a.y" in world.look(minutes=1).reason

    def test_what_is_fresh_starts_nothing_by_itself(self):
        world = World(policy(TriggerDataset("a.y", freshness=3600), strategy="any"))
        world.update("a.y")
        assert isinstance(world.look(), Start)
        assert isinstance(world.look(minutes=1), Wait)


class TestDates:
    def test_without_a_schedule_the_interval_is_the_time_since_the_last_run(self):
        world = World(policy("a.x", strategy="any", start=date(2026, 1, 1)))
        world.update("a.x", logical=at("2026-03-01T06:00:00"))
        first = world.look()
        world.update("a.x", logical=at("2026-03-02T06:00:00"))
        second = world.look()
        assert (first.interval.start, first.interval.end) == (at("2026-01-01"), at("2026-03-01T06:00:00"))
        assert (second.interval.start, second.interval.end) == (first.logical, at("2026-03-02T06:00:00"))

    def test_a_second_run_of_a_date_has_the_interval_of_the_first(self):
        world = World(policy("a.x", "a.y", strategy="any"))
        world.update("a.x", logical=at("2026-03-01"))
        world.look()
        world.update("a.x", logical=at("2026-03-02"))
        second = world.look()
        world.update("a.y", logical=at("2026-03-02"))
        assert world.look().interval == second.interval

    def test_what_is_made_again_for_an_old_date_moves_nothing_back(self):
        world = World(policy("a.x", start=date(2026, 1, 1)))
        world.update("a.x", logical=at("2026-03-02"))
        world.look()
        world.update("a.x", logical=at("2026-02-01"))
        again = world.look()
        assert (again.logical, again.interval.start) == (at("2026-02-01"), at("2026-01-01"))
        world.update("a.x", logical=at("2026-03-03"))
        assert world.look().interval.start == at("2026-03-02")

    @pytest.mark.parametrize("period", ["day", "week", "month", "year"])
    def test_where_all_have_schedules_the_interval_is_that_of_the_most_frequent(self, period):
        datasets = TriggerDataset("a.x", cron="0 0 * * *"), TriggerDataset("a.y", cron="0 */6 * * *")
        world = World(policy(*datasets, strategy="any", period=period))
        world.update("a.x", logical=at("2026-03-01T00:00:00"))
        world.update("a.y", logical=at("2026-03-01T18:00:00"))
        run = world.look()
        assert (run.logical, run.interval.start, run.interval.end) == (
            at("2026-03-01T18:00:00"),
            at("2026-03-01T18:00:00"),
            at("2026-03-02T00:00:00"),
        )

    def test_the_date_does_not_drift_from_layer_to_layer(self):
        world = World(policy(TriggerDataset("a.x", cron="0 0 * * *")))
        world.update("a.x", logical=at("2026-03-01"))
        first = world.look()
        below = World(policy(TriggerDataset("b.x", cron="0 0 * * *")))
        below.update("b.x", logical=first.logical)
        assert below.look().interval == first.interval


class TestDataCycle:
    DAILY = "0 0 * * *"

    def test_updates_of_one_cycle_belong_together(self):
        world = World(policy("a.x", "a.y", cycle=self.DAILY))
        world.update("a.x", logical=at("2026-03-01T05:00:00"))
        world.update("a.y", logical=at("2026-02-28T23:00:00"))
        assert "waits for a.y" in world.look().reason
        world.update("a.y", logical=at("2026-03-01T23:00:00"))
        run = world.look()
        assert (run.logical, run.interval.start, run.interval.end) == (
            at("2026-03-01"),
            at("2026-03-01"),
            at("2026-03-02"),
        )

    def test_a_dataset_may_be_updated_again_within_the_cycle(self):
        world = World(policy("a.x", "a.y", cycle=self.DAILY))
        world.update("a.x", "a.y", logical=at("2026-03-01T05:00:00"))
        assert isinstance(world.look(), Start)
        world.update("a.x", logical=at("2026-03-01T06:00:00"))
        assert world.look().because == ("a.x",)

    def test_cycles_are_those_of_the_zone(self):
        world = World(policy("a.x", "a.y", cycle=self.DAILY, zone="America/New_York"))
        world.update("a.x", logical=at("2026-03-01T23:00:00"))
        world.update("a.y", logical=at("2026-03-02T04:59:00"))
        run = world.look()
        assert run.interval.start.isoformat() == "2026-03-01T00:00:00-05:00"

    def test_a_cycle_that_is_made_again_is_found(self):
        world = World(policy("a.x", "a.y", cycle=self.DAILY))
        world.update("a.x", "a.y", logical=at("2026-03-02"))
        world.look()
        world.update("a.x", logical=at("2026-02-01"))
        assert "waits for a.y" in world.look().reason
        world.update("a.y", logical=at("2026-02-01"))
        assert world.look().logical == at("2026-02-01")

    def test_one_that_was_made_again_for_an_old_date_still_has_its_newest(self):
        world = World(policy("a.x", "a.y", cycle=self.DAILY))
        world.update("a.x", logical=at("2026-03-02"))
        assert isinstance(world.look(), Wait)
        world.update("a.x", logical=at("2026-02-01"))
        assert isinstance(world.look(), Wait)
        world.update("a.y", logical=at("2026-03-02"))
        assert world.look().logical == at("2026-03-02")

    @pytest.mark.parametrize(
        "slow", [TriggerDataset("a.slow", cron="0 0 1 * *"), TriggerDataset("a.slow", freshness=7 * 86_400)]
    )
    def test_what_is_slower_than_the_cycle_may_be_optional(self, slow):
        strict = World(policy("a.x", slow, cycle=self.DAILY, beyond_cycle=False))
        lenient = World(policy("a.x", slow, cycle=self.DAILY, beyond_cycle=False, optional_datasets=True))
        for world in (strict, lenient):
            world.update("a.x", logical=at("2026-03-01"))
        assert isinstance(strict.look(), Wait)
        assert isinstance(lenient.look(), Start)

    def test_what_is_as_fast_as_the_cycle_is_never_optional(self):
        world = World(policy("a.x", TriggerDataset("a.y", cron="0 6 * * *"), cycle=self.DAILY, optional_datasets=True))
        world.update("a.x", logical=at("2026-03-01"))
        assert isinstance(world.look(), Wait)

    def test_beyond_the_cycle_counts_what_is_fresh_enough(self):
        slow = TriggerDataset("a.slow", cron="0 0 * * 0", freshness=7 * 86_400)
        beyond = World(policy("a.x", slow, cycle=self.DAILY))
        within = World(policy("a.x", slow, cycle=self.DAILY, beyond_cycle=False))
        for world in (beyond, within):
            world.update("a.slow", logical=at("2026-02-22"))
            world.update("a.x", logical=at("2026-03-01"))
        assert isinstance(beyond.look(), Start)
        assert isinstance(within.look(), Wait)
        beyond.update("a.x", logical=at("2026-03-02"))
        assert isinstance(beyond.look(), Wait)
