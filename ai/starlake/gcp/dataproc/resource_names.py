"""Names and labels of Dataproc clusters, and the ids of requests."""

from __future__ import annotations

import re
import uuid

from ai.starlake.executor.remote.identity import (
    LABEL_ATTEMPT_RUN,
    LABEL_COMPUTE,
    LABEL_JOB,
    LABEL_LOCATION,
    LABEL_RUN,
    LABEL_STEP,
    cut,
    run_part,
    slug,
)

LABEL_REQUEST = "starlake-request"
"""The request that created a cluster: a failed request cleans up only its own."""

OUR_LABELS = frozenset(
    {LABEL_RUN, LABEL_ATTEMPT_RUN, LABEL_JOB, LABEL_LOCATION, LABEL_STEP, LABEL_REQUEST, LABEL_COMPUTE}
)

CLUSTER_NAME_LIMIT = 51
"""Maximum characters; Dataproc appends to the name to name its machines."""
_RUN_SUFFIX = 9
"""Characters of the hyphen and the digits of the run."""


def cluster_name(dataproc_name: str, cluster_id: str, root_run_id: str) -> str:
    """Return the name of a run's cluster: ``{dataproc_name}-{cluster_id}-{first characters of the run id}``.

    Names of Dataproc clusters begin with a letter and consist of at most 51 lower-case letters, digits and hyphens, and
    do not end with a hyphen (comment of ``Cluster.cluster_name`` in Google's proto file). If the first part has to be
    cut, a digest replaces the rest.
    """
    base = slug("-".join(part for part in (dataproc_name, cluster_id) if part)) or "cluster"
    if not base[0].isalpha():
        base = f"c-{base}"
    return f"{cut(base, CLUSTER_NAME_LIMIT - _RUN_SUFFIX)}-{run_part(root_run_id)}"


def profiled_name(name: str, profile: str) -> str:
    """Return the name of a shared cluster with the shape of a compute profile: ``{name}-{profile}``."""
    return cut(f"{name}-{slug(profile)}", CLUSTER_NAME_LIMIT)


def is_cluster_name(name: str) -> bool:
    """Return True if Dataproc accepts the name for a cluster."""
    return re.fullmatch(rf"[a-z](?:[a-z0-9-]{{0,{CLUSTER_NAME_LIMIT - 2}}}[a-z0-9])?", name) is not None


def request_id(*parts: object) -> str:
    """Return the id of a request, the same for the same parts: a UUID, which every service accepts (36 characters)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts))))
