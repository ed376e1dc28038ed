"""Pipelines of any shape run in the order that they say, and skip what their checks say; by a model that is plain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.dagster.pipelines import DagsterPipeline
from ai.starlake.orchestration import AbstractDependency, AbstractTaskGroup


@dataclass
class Shape:
    """A task, or a group of shapes; between its members an order from earlier ones to later ones."""

    kind: str
    ready: bool = False
    members: list[Shape] = field(default_factory=list)
    order: set[tuple[int, int]] = field(default_factory=set)


def _group(members: list[Shape], order: set[tuple[int, int]]) -> Shape:
    last = len(members)
    return Shape("group", members=members, order={(a, b) for a, b in order if a < b < last})


TASKS = st.builds(Shape, st.sampled_from(["load", "load", "dummy", "check"]), st.booleans())
PAIRS = st.sets(st.tuples(st.integers(0, 4), st.integers(1, 4)), max_size=8)
GROUPS = st.recursive(
    TASKS, lambda inner: st.builds(_group, st.lists(inner, min_size=0, max_size=4), PAIRS), max_leaves=10
)
PIPELINES = st.builds(_group, st.lists(GROUPS, min_size=1, max_size=4), PAIRS)


def empty(shape: Shape) -> bool:
    return shape.kind == "group" and all(empty(member) for member in shape.members)


class Made:
    """A pipeline of a shape, with its checks that are ready and pairs of what is in order."""

    def __init__(self, pipeline: DagsterPipeline, put: Callable[[str, bool], None]) -> None:
        self.pipeline = pipeline
        self.put = put
        self.number = 0
        self.ready: dict[str, bool] = {}
        self.order: list[tuple[AbstractDependency, AbstractDependency]] = []

    def fill(self, shape: Shape) -> None:
        made = [self.add(member) for member in shape.members]
        for before, after in sorted(shape.order):
            made[before] >> made[after]
            self.order.append((made[before], made[after]))
        for number, member in enumerate(shape.members):
            if empty(member):
                self._pass_through(made[number])

    def _pass_through(self, group: AbstractDependency) -> None:
        """Put successors of a group without tasks directly after its predecessors."""
        befores = [before for before, after in self.order if after is group]
        afters = [after for before, after in self.order if before is group]
        self.order = [pair for pair in self.order if group not in pair]
        self.order += [(before, after) for before in befores for after in afters]

    def add(self, shape: Shape) -> AbstractDependency:
        self.number += 1
        name = f"{shape.kind}{self.number}"
        if shape.kind == "group":
            with self.pipeline.orchestration.sl_create_task_group(name, self.pipeline) as group:
                self.fill(shape)
            return group
        if shape.kind == "dummy":
            return self.pipeline.sl_dummy_op(name)
        if shape.kind == "load":
            return self.pipeline.sl_load(name, "sales", name)
        self.put(name, shape.ready)
        task = self.pipeline.sl_pre_load(name, task_id=name)
        assert task is not None
        self.ready[task.full_id] = shape.ready
        return task


class Model:
    """Expected outcome of each task, computed task by task."""

    def __init__(self, made: Made) -> None:
        self.made = made
        self.tasks = {task.full_id: task for task in made.pipeline.tasks}
        self.known: dict[str, bool] = {}

    def runs(self, name: str) -> bool:
        """Return True if each order that applies to a task, or to a group that begins with it, lets it run."""
        if name not in self.known:
            orders = [pair for pair in self.made.order if self.tasks[name] in set(self.firsts(pair[1]))]
            self.known[name] = all(self.lets(before, after) for before, after in orders)
        return self.known[name]

    def lets(self, before: AbstractDependency, after: AbstractDependency) -> bool:
        return any(self.lets_task(task.full_id, after) for task in self.lasts(before))

    def lets_task(self, name: str, after: AbstractDependency) -> bool:
        if self.runs(name):
            return self.ready(name) or self.leads_out(name, after)
        # it is skipped: by checks, all of which were left behind, or not
        return all(self.leads_out(check, after) for check in self.blocking(name))

    def ready(self, name: str) -> bool:
        return self.made.ready.get(name, True)

    def blocking(self, name: str) -> set[str]:
        """Return the checks because of which a task is skipped."""
        found: set[str] = set()
        for before, after in self.made.order:
            if self.tasks[name] in set(self.firsts(after)) and not self.lets(before, after):
                for task in (last.full_id for last in self.lasts(before)):
                    found |= self.blocking(task) if not self.runs(task) else {task} if not self.ready(task) else set()
        return found

    def leads_out(self, check: str, after: AbstractDependency) -> bool:
        """Return True if a task comes after the outermost group of a check; or only orders, if the check is in none."""
        groups = self.tasks[check].path[1:]
        if groups:
            return groups[0] not in (*after.path, after)
        return after.full_id.startswith("dummy")

    def firsts(self, of: AbstractDependency) -> Iterator[AbstractDependency]:
        yield from self._edge(of, 1)

    def lasts(self, of: AbstractDependency) -> Iterator[AbstractDependency]:
        yield from self._edge(of, 0)

    def _edge(self, of: AbstractDependency, side: int) -> Iterator[AbstractDependency]:
        if not isinstance(of, AbstractTaskGroup):
            yield of
            return
        bound = {pair[side] for pair in self.made.order}
        for member in of.members:
            if member not in bound:
                yield from self._edge(member, side)


def steps_in(of: AbstractDependency) -> Iterator[str]:
    if isinstance(of, AbstractTaskGroup):
        for member in of.members:
            yield from steps_in(member)
    else:
        yield of.full_id


@settings(max_examples=40)
@given(shape=PIPELINES)
def test_it_runs_in_its_order_and_skips_what_its_checks_say(
    shape: Shape, make_module: Any, run: Any, outcome: Any, tmp_path: Path
) -> None:
    root = tmp_path / "empty"

    def put(domain: str, ready: bool) -> None:
        (root / "datasets" / "pending" / domain).mkdir(parents=True, exist_ok=True)
        if ready:
            (root / "datasets" / "pending" / domain / "a.csv").touch()

    for file in root.glob("datasets/pending/*/*"):
        file.unlink()
    root.mkdir(exist_ok=True)
    module = make_module(pre_load_strategy="pending", sl_env_var={"SL_ROOT": str(root)})
    with module.pipeline() as pipeline:
        made = Made(pipeline, put)
        made.fill(shape)
        model = Model(made)
        expected = {name: "success" if model.runs(name) else "skipped" for name in model.tasks}
    if not expected:
        return
    result = run(pipeline.dag)
    failures = [str(event.event_specific_data) for event in result.all_events if event.is_failure]
    assert failures == []
    ends = outcome(result)
    assert {name: ends[name] for name in expected} == expected
    begun = [event.step_key for event in result.all_events if event.event_type_value == "STEP_START"]
    for before, after in made.order:
        assert all(
            begun.index(one) < begun.index(other)
            for one in steps_in(before)
            for other in steps_in(after)
            if one in begun and other in begun
        )
