"""Names and labels of what we create on Google Cloud: functions of the run, so that every process finds the same."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from ai.starlake.executor import Execution

LABEL_RUN = "starlake-run-id"
"""The first of a chain of re-executions: who owns a cluster."""
LABEL_ATTEMPT_RUN = "starlake-launched-by"
"""The very run that submitted a Spark job."""
LABEL_JOB = "starlake-job"
LABEL_LOCATION = "starlake-code-location"
LABEL_STEP = "starlake-step"
LABEL_REQUEST = "starlake-request"
"""The request that made a cluster: a failed request cleans up what is its own, and nothing else."""

OUR_LABELS = frozenset({LABEL_RUN, LABEL_ATTEMPT_RUN, LABEL_JOB, LABEL_LOCATION, LABEL_STEP, LABEL_REQUEST})

CLUSTER_NAME_LIMIT = 51
"""Characters; Dataproc appends to the name to call its machines."""
_JOB_ID_LIMIT = 100
_LABEL_LIMIT = 63
_RUN_DIGITS = 8
_DIGEST_DIGITS = 8

_OTHER = re.compile(r"[^a-z0-9]+")
_RUN_PREFIX = re.compile(rf"[0-9a-f]{{{_RUN_DIGITS}}}")
_LABEL_VALUE = re.compile(rf"[a-z0-9_-]{{0,{_LABEL_LIMIT}}}")


@dataclass(frozen=True)
class RunIdentity:
    """The run that something is created for.

    Args:
        root_run_id: The first of a chain of re-executions; clusters are theirs together.
        run_id: The run itself.
        job_name: The job, for people who read labels.
        code_location: Where the job is defined, for people who read labels.
    """

    root_run_id: str
    run_id: str
    job_name: str = ""
    code_location: str = ""

    @classmethod
    def of(cls, execution: Execution) -> RunIdentity:
        """The run of an attempt at a command."""
        return cls(execution.root, execution.run_id, execution.job_name, execution.code_location)

    @property
    def labels(self) -> dict[str, str]:
        """What marks a cluster as this run's."""
        named = {LABEL_JOB: label_value(self.job_name), LABEL_LOCATION: label_value(self.code_location)}
        return {LABEL_RUN: label_value(self.root_run_id), **{key: value for key, value in named.items() if value}}


def cluster_name(dataproc_name: str, cluster_id: str, root_run_id: str) -> str:
    """The name of a run's cluster: ``{dataproc_name}-{cluster_id}-{first characters of the run id}``.

    Names of Dataproc clusters begin with a letter and consist of at most 51 lower-case letters, digits and hyphens, the
    last of which is no hyphen (comment of ``Cluster.cluster_name`` in Google's proto file). Where the first part has to
    be cut, a digest takes the place of what is lost.
    """
    base = _slug("-".join(part for part in (dataproc_name, cluster_id) if part)) or "cluster"
    if not base[0].isalpha():
        base = f"c-{base}"
    return f"{_cut(base, CLUSTER_NAME_LIMIT - _RUN_DIGITS - 1)}-{_run_part(root_run_id)}"


def is_cluster_name(name: str) -> bool:
    """Whether Dataproc accepts a name for a cluster."""
    return re.fullmatch(rf"[a-z](?:[a-z0-9-]{{0,{CLUSTER_NAME_LIMIT - 2}}}[a-z0-9])?", name) is not None


def spark_job_id(step_key: str, run_id: str, attempt: int, arguments: Sequence[str]) -> str:
    """The id of the Spark job of a command; at most 100 letters, digits, underscores and hyphens.

    Two processes that work on the same attempt, one after the other, come to the same id: the second finds the job of
    the first instead of submitting another. A step that runs several commands has a job for each.

    Args:
        step_key: The step.
        run_id: The run.
        attempt: The attempt at the step, from 0.
        arguments: The arguments of the command.
    """
    tail = f"{_run_part(run_id)}-{attempt}-{_digest(json.dumps([run_id, step_key, attempt, *arguments]))}"
    step = _slug(step_key.rpartition(".")[2]) or "step"
    return f"{_cut(step, _JOB_ID_LIMIT - len(tail) - 1)}-{tail}"


def request_id(*parts: object) -> str:
    """An id of a request, the same for the same parts: a UUID, which every service accepts (36 characters)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts))))


def label_value(text: str) -> str:
    """A text as the value of a label: at most 63 lower-case letters, digits, underscores and hyphens.

    A text that has to be changed for that gets a digest of its own, so that different texts stay different.
    """
    if _LABEL_VALUE.fullmatch(text):
        return text
    digest = _digest(text)
    return f"{_slug(text)[: _LABEL_LIMIT - len(digest) - 1]}-{digest}".lstrip("-")


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _OTHER.sub("-", plain.lower()).strip("-")


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[: limit - _DIGEST_DIGITS - 1].rstrip('-')}-{_digest(text)}"


def _run_part(run_id: str) -> str:
    """The first eight digits, as people know a run by; of an id that is no UUID, those of its digest."""
    return run_id[:_RUN_DIGITS] if _RUN_PREFIX.match(run_id) else _digest(run_id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]
