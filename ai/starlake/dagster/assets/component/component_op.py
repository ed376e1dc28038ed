"""The field `op` of the component: settings of the steps."""

from typing import Annotated, Literal

from dagster import BackfillPolicy, Backoff, Jitter, Model, Resolvable, RetryPolicy

from ai.starlake.dagster import _compat
from ai.starlake.dagster._compat.components import described


class StepRetries(Resolvable, Model):
    """Number of retries of a failed step. A table or task that did not fail is not run again."""

    max_retries: Annotated[int, described("Number of retries.", [3])] = 1
    delay: Annotated[float | None, described("Seconds before the first retry.", [30])] = None
    backoff: Annotated[
        Literal["linear", "exponential"] | None,
        described("Growth of the delay from retry to retry; none by default."),
    ] = None
    jitter: Annotated[
        Literal["full", "plus_minus"] | None,
        described("Random variation of the delay, so that steps do not all retry at once."),
    ] = None

    @property
    def policy(self) -> RetryPolicy:
        """The retry policy for Dagster."""
        return _compat.UninterruptedRetryPolicy(
            max_retries=self.max_retries,
            delay=self.delay,
            backoff=Backoff[self.backoff.upper()] if self.backoff else None,
            jitter=Jitter[self.jitter.upper()] if self.jitter else None,
        )


class StepBackfills(Resolvable, Model):
    """Distribution of partitions over the runs of a backfill."""

    type: Annotated[
        Literal["single_run", "multi_run"],
        described("One run for all partitions of a backfill, or several runs."),
    ]
    max_partitions_per_run: Annotated[int, described("Maximum number of partitions per run; for `multi_run`.")] = 1

    @property
    def policy(self) -> BackfillPolicy:
        """The backfill policy for Dagster."""
        if self.type == "single_run":
            return BackfillPolicy.single_run()
        return BackfillPolicy.multi_run(self.max_partitions_per_run)


class StepOptions(Resolvable, Model):
    """Settings of the steps that load tables and run tasks."""

    retry_policy: Annotated[
        StepRetries | None,
        described(
            "Retries of a failed step; by default, the option `retries` of the executor.",
            [{"max_retries": 3, "delay": 30, "backoff": "exponential"}],
        ),
    ] = None
    pool: Annotated[str | None, described("The pool whose slots the steps take.", ["warehouse"])] = None
    tags: Annotated[
        dict[str, str] | None,
        described("Tags of the steps.", [{"team": "sales"}]),
    ] = None
    backfill_policy: Annotated[
        StepBackfills | None,
        described(
            "Distribution of partitions over the runs of a backfill.",
            [{"type": "single_run"}],
        ),
    ] = None
