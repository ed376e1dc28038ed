"""Names and labels of remote resources: functions of the run, so that every process computes the same."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from ai.starlake.executor.protocol import Execution
from ai.starlake.job import ComputeProfile

LABEL_RUN = "starlake-run-id"
"""Label with the first run of a chain of re-executions, which owns a cluster."""
LABEL_ATTEMPT_RUN = "starlake-launched-by"
"""Label with the run that submitted a command."""
LABEL_JOB = "starlake-job"
LABEL_LOCATION = "starlake-code-location"
LABEL_STEP = "starlake-step"
LABEL_COMPUTE = "starlake-compute"
"""Label with the compute profile of a cluster or a job."""

NAME_LIMIT = 100
"""Maximum characters of the name of a command; see `command_name`."""
_LABEL_LIMIT = 63
_RUN_DIGITS = 8
_DIGEST_DIGITS = 8

_OTHER = re.compile(r"[^a-z0-9]+")
_RUN_PREFIX = re.compile(rf"[0-9a-f]{{{_RUN_DIGITS}}}")
_LABEL_VALUE = re.compile(rf"(?:[a-z0-9](?:[a-z0-9_-]{{0,{_LABEL_LIMIT - 2}}}[a-z0-9])?)?")


@dataclass(frozen=True)
class RunIdentity:
    """The run that a resource is created for.

    Args:
        root_run_id: The first run of a chain of re-executions, which shares its clusters.
        run_id: The run itself.
        job_name: The job, for labels.
        code_location: The code location of the job, for labels.
        compute: The compute profile of the command.
    """

    root_run_id: str
    run_id: str
    job_name: str = ""
    code_location: str = ""
    compute: ComputeProfile | None = None

    @classmethod
    def of(cls, execution: Execution, compute: ComputeProfile | None = None) -> RunIdentity:
        """Return the run of an attempt at a command.

        Args:
            execution: The attempt.
            compute: The compute profile of the command.
        """
        return cls(execution.root, execution.run_id, execution.job_name, execution.code_location, compute)

    @property
    def labels(self) -> dict[str, str]:
        """Labels that mark a cluster as belonging to this run."""
        named = {LABEL_JOB: label_value(self.job_name), LABEL_LOCATION: label_value(self.code_location)}
        return {LABEL_RUN: label_value(self.root_run_id), **{key: value for key, value in named.items() if value}}


def step_labels(execution: Execution) -> dict[str, str]:
    """Return the labels of the commands of a step, in this run and in those that re-execute it.

    Args:
        execution: The attempt.

    Returns:
        Value by name, at most 63 characters each.
    """
    return {
        **RunIdentity.of(execution).labels,
        LABEL_ATTEMPT_RUN: label_value(execution.run_id),
        LABEL_STEP: label_value(execution.step_key),
    }


def command_name(step_key: str, run_id: str, attempt: int, arguments: Sequence[str], *, limit: int = NAME_LIMIT) -> str:
    """Return the name of a command: letters, digits and hyphens; it neither begins nor ends with a hyphen.

    Two processes that work on the same attempt, one after the other, compute the same name: the second finds the
    command of the first instead of submitting another. A step that runs several commands has a name for each.

    Args:
        step_key: The step.
        run_id: The run.
        attempt: The attempt at the step, from 0.
        arguments: The arguments of the command.
        limit: Maximum number of characters.
    """
    tail = f"{run_part(run_id)}-{attempt}-{_digest(json.dumps([run_id, step_key, attempt, *arguments]))}"
    step = slug(step_key.rpartition(".")[2]) or "step"
    return f"{cut(step, limit - len(tail) - 1)}-{tail}"


def label_value(text: str) -> str:
    """Return a string as the value of a label: at most 63 lower-case letters, digits, underscores and hyphens.

    The first and the last character is a letter or a digit, as Kubernetes requires. A string that has to be changed
    gets a digest of its own, so that different strings stay different.

    Args:
        text: Any string.
    """
    if _LABEL_VALUE.fullmatch(text):
        return text
    digest = _digest(text)
    return f"{slug(text)[: _LABEL_LIMIT - len(digest) - 1]}-{digest}".lstrip("-")


def slug(text: str) -> str:
    """Return a string as lower-case letters, digits and single hyphens between them."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _OTHER.sub("-", plain.lower()).strip("-")


def cut(text: str, limit: int) -> str:
    """Return a string of at most `limit` characters: if it has to be cut, a digest replaces the rest."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - _DIGEST_DIGITS - 1].rstrip('-')}-{_digest(text)}"


def run_part(run_id: str) -> str:
    """Return the first eight digits of a run id; for an id that is not a UUID, those of its digest."""
    return run_id[:_RUN_DIGITS] if _RUN_PREFIX.match(run_id) else _digest(run_id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]
