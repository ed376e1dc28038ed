"""Order of the operators of a pipeline: edges, trigger rules, and the scope of preparation and clean-up.

A pre-load check succeeds whatever its finding. The operator right after it, ``skip_or_start``, is skipped if it found
nothing, and Airflow's trigger rules do the rest: downstream tasks in its domain are skipped with it (`all_success`);
tasks after the domain run anyway, unless something has failed (`none_failed`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count

from airflow.sdk import BaseOperator, TaskGroup, TriggerRule

from ai.starlake.airflow._airflow_compat import put_after
from ai.starlake.airflow.operators.ordering_operator import StarlakeSkipOperator
from ai.starlake.airflow.pipelines.operator_maker import OperatorMaker
from ai.starlake.common import sanitize_id
from ai.starlake.job import TaskType
from ai.starlake.orchestration import AbstractTask, AbstractTaskGroup
from ai.starlake.orchestration.ordering.links import AnyTask, Link, Links, TaskOutcome
from ai.starlake.orchestration.ordering.run_conditions import ALWAYS, RunCondition, all_of, any_of
from ai.starlake.orchestration.pipeline_builder import PipelineBuilder

_FEW = 64
"""Edges between two groups that are drawn one by one; more of them join in an operator that only orders."""


@dataclass(frozen=True)
class _Before:
    """A predecessor of a task.

    Args:
        task: The operator.
        condition: The condition under which it is not skipped.
    """

    task: BaseOperator
    condition: RunCondition


class DagAssembly:
    """Orders the operators of a pipeline.

    Args:
        builder: The builder that created them.
        maker: Creates those that only order others.

    Raises:
        StarlakeError: If tasks have circular dependencies.
    """

    def __init__(self, builder: PipelineBuilder[BaseOperator], maker: OperatorMaker) -> None:
        self._builder = builder
        self._maker = maker
        self._links = Links(builder.graph, keep_last=True)
        self._waiting = self._links.waiting()
        self._gates: dict[AnyTask, BaseOperator] = {}
        self._joins: dict[object, BaseOperator] = {}

    def assemble(self) -> None:
        """Draw all edges, and set the trigger rules."""
        self._find_gates()
        for task, links in self._waiting.items():
            self._order(task, links)
        self._set_up_and_tear_down()

    def _find_gates(self) -> None:
        """Find the operators right after checks that skip downstream tasks; a check without one gets one later."""
        for task, links in self._waiting.items():
            if isinstance(task.task, StarlakeSkipOperator):
                checks = (source.task for link in links for source in link.sources)
                self._gates.update({check: task.task for check in checks if check.task_type is TaskType.PRELOAD})

    def _order(self, task: AnyTask, links: list[Link]) -> None:
        """Put a task after its predecessors, with the trigger rule for the outcomes under which it runs."""
        befores: dict[str, _Before] = {}
        for link in links:
            befores.update({before.task.task_id: before for before in self._befores(task, link)})
        own = {check for check, gate in self._gates.items() if gate is task.task}
        condition = all_of(self._links.conditions[task]) - own
        natives = [before.task for before in befores.values()]
        rule = _rule(condition, befores.values())
        if rule is None:
            join = self._joined(task, f"{task.id}_when_done", natives, TriggerRule.NONE_FAILED)
            natives = [join, *self._conditional(task, condition)]
            rule = TriggerRule.ALL_SUCCESS
        put_after(task.task, natives)
        if task.task_type is TaskType.END:
            rule = TriggerRule.NONE_FAILED  # a load without files may be skipped without any check
        if rule is not TriggerRule.ALL_SUCCESS and task.task.trigger_rule == TriggerRule.ALL_SUCCESS:
            task.task.trigger_rule = rule

    def _befores(self, task: AnyTask, link: Link) -> list[_Before]:
        """Return the predecessors of a task for a link."""
        found: list[_Before] = []
        either = {source.task for source in link.sources if source.outcome is TaskOutcome.SKIPPED}
        for source in link.sources:
            outcome = self._links.outcomes[source.task]
            if source.outcome is TaskOutcome.DONE:
                found.append(_Before(source.task.task, outcome))
            elif source.outcome is TaskOutcome.READY:
                whatever = source.task in either or self._gates.get(source.task) is task.task
                native = source.task.task if whatever else self._gate(source.task)
                found.append(_Before(native, outcome - {source.task} if whatever else outcome))
        if len(found) > _FEW and isinstance(link.after, AbstractTaskGroup) and len(self._links.entries(link.after)) > 1:
            return self._meeting(link, found)
        return found

    def _meeting(self, link: Link, befores: list[_Before]) -> list[_Before]:
        """Let the predecessors of a group join in one operator, so that edges are not a multiple of both sides."""
        rule = _rule(link.condition, befores)
        if rule is None:
            return befores
        key = link.before, link.after
        if key not in self._joins:
            name = sanitize_id(f"{link.before.id}_before_{link.after.id}")
            group = self._maker.group([outer.id for outer in link.after.path[1:]])
            self._joins[key] = self._new_join(name, group, [before.task for before in befores], rule)
        return [_Before(self._joins[key], link.condition)]

    def _gate(self, check: AnyTask) -> BaseOperator:
        if check not in self._gates:
            group = _group_of(check.task)
            name = _free(f"skip_or_start_{check.id}", group)
            made = self._maker.skipping(check.task, {"task_id": name, "task_group": group, "dag": group.dag})
            put_after(made, [check.task])
            self._gates[check] = made
        return self._gates[check]

    def _conditional(self, task: AnyTask, condition: RunCondition) -> Iterator[BaseOperator]:
        """Yield operators that all succeed if a condition holds; if it does not, one of them is skipped."""
        for clause in sorted(condition, key=_order_of):
            if isinstance(clause, AbstractTask):
                yield self._gate(clause)
                continue
            alternatives = [list(self._conditional(task, each)) for each in sorted(clause, key=_order_of)]
            single = [
                each[0] if len(each) == 1 else self._joined(task, f"{task.id}_if_all", each, TriggerRule.ALL_SUCCESS)
                for each in alternatives
            ]
            yield self._joined(task, f"{task.id}_if_any", single, TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)

    def _joined(self, task: AnyTask, name: str, befores: Iterable[BaseOperator], rule: TriggerRule) -> BaseOperator:
        key = (task, rule, frozenset(each.task_id for each in befores))
        if key not in self._joins:
            self._joins[key] = self._new_join(name, _group_of(task.task), befores, rule)
        return self._joins[key]

    def _new_join(
        self, name: str, group: TaskGroup, befores: Iterable[BaseOperator], rule: TriggerRule
    ) -> BaseOperator:
        arguments = {"task_id": _free(name, group), "task_group": group, "dag": group.dag}
        made = self._maker.ordering(TaskType.EMPTY, arguments)
        made.trigger_rule = rule
        put_after(made, befores)
        return made

    def _set_up_and_tear_down(self) -> None:
        """Make the preparation precede all tasks, and the clean-up follow all of them, without hiding a failure.

        The clean-up waits until no task is running. It succeeds after a failure too, so its downstream tasks also
        follow the tasks themselves, in order not to treat the failure as a success.
        """
        preparation, clean_up = self._builder.preparation, self._builder.clean_up
        if clean_up is None:
            return
        works = [task.task for task in self._builder.graph.tasks if task.works]
        last: BaseOperator = clean_up.task
        given = [*works, preparation.task] if preparation else works
        joins = [each for each in last.upstream_list if isinstance(each, BaseOperator) and each not in given]
        for join in joins:
            put_after(join, works)
            join.trigger_rule = TriggerRule.ALL_DONE
        if not joins:
            put_after(last, works)
        for after in last.downstream_list:
            if isinstance(after, BaseOperator):
                put_after(after, works)
        if preparation is not None and not last.is_teardown:
            last.as_teardown(setups=preparation.task)


def _group_of(task: BaseOperator) -> TaskGroup:
    assert task.task_group is not None  # noqa: S101  every operator of a pipeline is in one
    return task.task_group


def _free(name: str, group: TaskGroup) -> str:
    """Return a name that is free in a task group."""
    names = chain([name], (f"{name}_{number}" for number in count(2)))
    return next(each for each in names if group.child_id(each) not in group.children)


def _order_of(clause: AnyTask | RunCondition) -> str:
    """Return a sort key for clauses of a condition: the order of sets differs between processes."""
    if isinstance(clause, AbstractTask):
        return clause.full_id
    return str(sorted(_order_of(inner) for inner in clause))


def _rule(condition: RunCondition, befores: Collection[_Before]) -> TriggerRule | None:
    """Return the trigger rule by which a task runs under a condition; None if no rule matches.

    Args:
        condition: The condition of the task.
        befores: Its predecessors.
    """
    conditions = [before.condition for before in befores]
    if all_of(conditions) == condition:
        return TriggerRule.ALL_SUCCESS
    if condition == ALWAYS:
        return TriggerRule.NONE_FAILED
    if any_of(conditions) == condition:
        return TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    return None
