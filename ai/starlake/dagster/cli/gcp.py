"""Commands about Google Cloud."""

from __future__ import annotations

from ai.starlake.dagster.cli.lazy import LazyGroup

gcp = LazyGroup("gcp", {"reap": "ai.starlake.dagster.cli.reap:reap"}, help="Looks after what jobs use on Google Cloud.")
