"""The only module that creates ops."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from dagster import (
    AssetMaterialization,
    Backoff,
    DagsterExecutionInterruptedError,
    DagsterRunStatus,
    Failure,
    Field,
    In,
    Jitter,
    OpDefinition,
    OpExecutionContext,
    Out,
    Output,
    RetryPolicy,
    op,
)

from ai.starlake.common import NameCollisionError, NameRegistry, StarlakeError, sanitize_id
from ai.starlake.dagster import _compat
from ai.starlake.dagster.resource_secrets import within_step
from ai.starlake.dagster.run_info import CONFIG_SCHEMA

if TYPE_CHECKING:
    from dagster import AssetCheckEvaluation, AssetCheckResult, AssetObservation, DynamicOutput, MaterializeResult

INTERRUPTED = "interrupted, because the run ends"
"""Description of the failure of an interrupted step that is not retried."""

Event: TypeAlias = (
    "AssetMaterialization | AssetObservation | Output[Any] | DynamicOutput[Any] | MaterializeResult[Any] "
    "| AssetCheckResult | AssetCheckEvaluation"
)


_OLD_FILE = "a DAG file that Starlake 1.1 generated, generate again with starlake-dagster generate"


class Body(ABC):
    """Body of an op: the compute function that Dagster calls.

    An instance rather than a function, and with one signature for all: Dagster inspects the signature of every op, and
    a job with a thousand tables has as many.
    """

    __signature__: ClassVar[inspect.Signature] = inspect.Signature(
        [
            inspect.Parameter(
                "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=OpExecutionContext
            ),  # for steps of assets too, whose own context warns about most of its parts
            inspect.Parameter("inputs", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        ]
    )

    @property
    def subject(self) -> str | None:
        """Starlake name of the table or task of the op; None if it has none."""
        return None

    @property
    def subjects(self) -> Iterable[str]:
        """Starlake names for sections of a run's options: those of the whole project for an asset."""
        return () if self.subject is None else (self.subject,)

    @property
    def verb(self) -> str | None:
        """Verb of the command of the op; None if it runs none of its own."""
        return None

    @abstractmethod
    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Run the op; yield its events, outputs included."""

    def __call__(self, context: OpExecutionContext, inputs: Mapping[str, Any]) -> Iterator[Event]:  # noqa: ARG002
        """Run within an op. Its inputs only order ops.

        Raises:
            Failure: If its whole run is interrupted, and a retry policy that is not ours would repeat it.
        """
        yield from interruptible(context, self.events)


def interruptible(
    context: OpExecutionContext, events: Callable[[OpExecutionContext], Iterator[Event]]
) -> Iterator[Event]:
    """Yield the events of a step; an interruption of the whole run ends the step for good.

    Args:
        context: The context of the step.
        events: Yields the events.

    Raises:
        Failure: If the whole run is interrupted, and a retry policy that is not ours would repeat the step.
    """
    if context.run_id in _interrupted_runs:
        raise Failure(INTERRUPTED, allow_retries=False)
    try:
        _require_wanted(context)
        with within_step(context):
            yield from events(context)
    except _compat.INTERRUPTIONS as interruption:
        if run_is_ending(context):
            _compat.ends_the_run(interruption)
            policy = _compat.retry_policy_of(context)
            if policy is not None and not isinstance(policy, _compat.UninterruptedRetryPolicy):
                _interrupted_runs.add(context.run_id)
                raise Failure(INTERRUPTED, allow_retries=False) from interruption
        raise


_interrupted_runs: set[str] = set()
"""Interrupted runs of this process: Dagster took the interruption for the failure of one step, and continues with
others."""


def _require_wanted(context: OpExecutionContext) -> None:
    """Check that the run of a step in a process of its own is not being cancelled.

    Dagster's multiprocess executor forwards an interruption once, to the step processes that it knows then. A step
    process that it is just starting is not among them, and would run to its end while its run waits. Dagster records
    that a run is being cancelled before it interrupts it, so the record is there by the time such a step begins.

    Raises:
        DagsterExecutionInterruptedError: If it is.
    """
    if _compat.run_process_sentinel() is None:
        return
    run = context.instance.get_run_by_id(context.run_id)
    if run is not None and run.status is DagsterRunStatus.CANCELING:
        context.log.info("this step does not begin, because its run is being cancelled")
        raise DagsterExecutionInterruptedError


def run_is_ending(context: OpExecutionContext) -> bool:
    """Return True if the interruption of a step is one of its whole run.

    Dagster executors that run steps on the machine of the run interrupt a step only when the run ends. Others give a
    step a machine of its own, which may be removed while the run continues.
    """
    if context.job_def.executor_def.name in _INTERRUPTED_WITH_THE_RUN:
        return True
    run = context.instance.get_run_by_id(context.run_id)
    return run is None or run.is_finished or run.status is DagsterRunStatus.CANCELING


_INTERRUPTED_WITH_THE_RUN = frozenset(
    {"in_process", "execute_in_process_executor", "multiprocess", "multi_or_in_process_executor"}
)


@dataclass(frozen=True)
class OpSpec:
    """Everything about an op except its definition.

    Args:
        task_id: Id of the op; its name is derived from it.
        source: Description of the op; two ops with one name must have one source.
        body: Its body.
        ins: Its inputs.
        outs: Its outputs; a `DynamicOut` for one that it yields several times.
        description: Shown in the UI.
        tags: Tags of its steps.
        retries: Number of retries.
        retry_delay: Seconds before the first retry.
        pool: The pool whose slots its steps take.
        resources: The keys of the resources that it requires.
        retry_policy: Retry policy, instead of `retries` and `retry_delay`.
        config_schema: Schema of its configuration; by default that of command runs.
    """

    task_id: str
    source: str
    body: Body
    ins: Mapping[str, In] = field(default_factory=dict)
    outs: Mapping[str, Out] = field(default_factory=dict)
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    retries: int = 0
    retry_delay: float = 0
    pool: str | None = None
    resources: frozenset[str] = frozenset()
    retry_policy: RetryPolicy | None = None
    config_schema: Field = CONFIG_SCHEMA


class OpFactory:
    """Creates ops, and keeps their names unique.

    Dagster refuses two definitions with one name in a graph or a code location, and does not report their sources.
    Asked twice for the same op, the factory returns the existing one; asked for another op with that name, it raises an
    error that names both.
    """

    def __init__(self) -> None:
        self._names = NameRegistry()
        self._made: dict[str, tuple[OpSpec, OpDefinition]] = {}

    def claim(self, name: str, source: str) -> str:
        """Reserve the name that is derived from another one, for an op or a graph.

        Raises:
            NameCollisionError: If another source has that name.
        """
        valid = sanitize_id(name)
        label = f"{source} ({name!r})"
        self._names.claim(valid, label, label)
        return valid

    def make(self, spec: OpSpec) -> OpDefinition:
        """Create an op.

        Raises:
            NameCollisionError: If another op has the name that is derived from its task id, even if only its
                inputs or retries differ.
        """
        name = self.claim(spec.task_id, spec.source)
        if name in self._made:
            known, op = self._made[name]
            if known != spec:
                label = f"{spec.source} ({spec.task_id!r})"
                other = f"{label} with other {', '.join(_differences(known, spec))}"
                raise NameCollisionError(name, label, other, _OLD_FILE)
            return op
        made = OpDefinition(
            compute_fn=spec.body,
            name=name,
            ins=spec.ins,
            outs=spec.outs,
            description=spec.description,
            config_schema=spec.config_schema,
            tags=spec.tags,
            retry_policy=spec.retry_policy or _retry_policy(spec.retries, spec.retry_delay),
            pool=spec.pool,
            required_resource_keys=set(spec.resources),
        )
        self._made[name] = (spec, made)
        return made

    def make_from(self, function: Callable[..., Any], spec: OpSpec) -> OpDefinition:
        """Create an op with a user's function, which is called as Dagster calls one under its decorator.

        Args:
            function: The function of the user.
            spec: Everything else. Its body has the names of its tables; see `body_of`.

        Raises:
            NameCollisionError: If another op has the name that is derived from its task id.
        """

        @functools.wraps(function)
        def compute(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        # for several outputs Dagster accepts no annotation of the function but a tuple, unless it is a generator itself
        signature = _signature(function).replace(return_annotation=inspect.Signature.empty)
        kinds = {name: each.annotation for name, each in signature.parameters.items()}
        compute.__annotations__ = {name: kind for name, kind in kinds.items() if kind is not inspect.Parameter.empty}
        vars(compute).update({"__signature__": signature, _BODY: spec.body})
        return op(
            name=self.claim(spec.task_id, spec.source),
            ins=spec.ins,
            out=dict(spec.outs),
            description=spec.description,
            config_schema=spec.config_schema,
            tags=spec.tags,
            retry_policy=spec.retry_policy or _retry_policy(spec.retries, spec.retry_delay),
            pool=spec.pool,
            required_resource_keys=set(spec.resources),
        )(compute)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a user's function, whose module may postpone the evaluation of annotations."""
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:  # a type that only type checkers import: Dagster reports it
        return inspect.signature(function)


_BODY = "starlake_body"


def body_of(definition: Any) -> Body | None:
    """Return the body of an op of a factory; None for any other op."""
    function = _compat.function_of(definition)
    body = function if isinstance(function, Body) else getattr(function, _BODY, None)
    return body if isinstance(body, Body) else None


def _differences(one: OpSpec, other: OpSpec) -> list[str]:
    return [part.name for part in fields(one) if getattr(one, part.name) != getattr(other, part.name)]


def _retry_policy(retries: int, delay: float) -> RetryPolicy | None:
    if retries == 0:
        return None
    return _compat.UninterruptedRetryPolicy(
        max_retries=retries, delay=delay, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS
    )


_RESULT: Mapping[str, Out] = MappingProxyType({"result": Out(str)})


def outputs_of(
    out: str | Out | Mapping[str, Out] | None, outs: Mapping[str, Out] | None, *, optional: bool = False
) -> Mapping[str, Out]:
    """Return the outputs of an op from a caller's arguments, ``result`` of type str by default.

    Args:
        out: The name of the only output, its definition, or all outputs.
        outs: All outputs.
        optional: True if the op may end without them, so that downstream ops are skipped.

    Raises:
        StarlakeError: If both are given.
    """
    if out is not None and outs is not None:
        raise StarlakeError("both out and outs are given", fix="pass one of them")
    given = outs if outs is not None else out
    if given is None and not optional:
        return _RESULT
    if given is None:
        given = _RESULT
    elif isinstance(given, str):
        given = {given: Out(str)}
    elif isinstance(given, Out):
        given = {"result": given}
    return {name: _compat.optional(definition) if optional else definition for name, definition in given.items()}


def outputs(
    outs: Mapping[str, Out], value: str, metadata: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[Output[Any]]:
    """Yield the values of outputs that only order downstream ops: a short string if the type requires a value.

    Args:
        outs: The outputs.
        value: The value.
        metadata: Metadata of the output's asset, by output.
    """
    for name, out in outs.items():
        yield Output(None if _is_nothing(out) else value, name, metadata=(metadata or {}).get(name))


def _is_nothing(out: Out) -> bool:
    kind = getattr(out.dagster_type, "kind", None)
    return kind is not None and kind.name == "NOTHING"
