"""The command line `starlake-airflow`: everything around Starlake on Airflow except running DAGs.

Airflow itself is not required: files can be generated where it is not installed.
"""

from __future__ import annotations

from ai.starlake.common.foreign import require_own_package

require_own_package()

from ai.starlake.common.command_line.lazy_group import LazyGroup, program  # noqa: E402  its imports may have been replaced

__all__ = ["gcp", "main", "polars"]

gcp = LazyGroup(
    "gcp",
    {"reap": "ai.starlake.airflow.cli.airflow_leftovers:gcp_reap"},
    help="Looks after what tasks use on Google Cloud.",
)
polars = LazyGroup(
    "polars",
    {"reap": "ai.starlake.airflow.cli.airflow_leftovers:polars_reap"},
    help="Looks after what tasks use on Polars Cloud.",
)
main = program(
    "starlake-airflow",
    {
        "gcp": "ai.starlake.airflow.cli:gcp",
        "generate": "ai.starlake.airflow.cli.generate:generate",
        "polars": "ai.starlake.airflow.cli:polars",
    },
    help="Runs Starlake projects on Airflow: the tools around the DAG files.",
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
)
