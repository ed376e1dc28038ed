"""The command line `starlake-dagster`: everything around Starlake on Dagster except running jobs.

Each command is a module of its own, which is imported on demand.
"""

from __future__ import annotations

from ai.starlake.common.extras import require_package
from ai.starlake.common.foreign import require_own_package

require_own_package()
require_package("dagster", "starlake-dagster", "dagster")

from ai.starlake.common.command_line.lazy_group import LazyGroup, program  # noqa: E402  its imports may have been replaced

__all__ = ["gcp", "main", "polars"]

gcp = LazyGroup(
    "gcp",
    {"reap": "ai.starlake.dagster.cli.dagster_leftovers:gcp_reap"},
    help="Looks after what jobs use on Google Cloud.",
)
polars = LazyGroup(
    "polars",
    {"reap": "ai.starlake.dagster.cli.dagster_leftovers:polars_reap"},
    help="Looks after what jobs use on Polars Cloud.",
)
main = program(
    "starlake-dagster",
    {
        "gcp": "ai.starlake.dagster.cli:gcp",
        "generate": "ai.starlake.dagster.cli.generate_command:generate",
        "polars": "ai.starlake.dagster.cli:polars",
        "init": "ai.starlake.dagster.cli.init_command:init",
    },
    help="Runs Starlake projects on Dagster: new projects, and the tools around the DAG files.",
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
)
