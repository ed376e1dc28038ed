"""The command line `starlake-airflow`: everything around Starlake on Airflow except running DAGs.

Airflow itself is not required: files can be generated where it is not installed.
"""

from __future__ import annotations

from ai.starlake.common.foreign import require_own_package

require_own_package()

from ai.starlake.common.command_line.lazy_group import program  # noqa: E402  its imports may have been replaced

__all__ = ["main"]

main = program(
    "starlake-airflow",
    {"generate": "ai.starlake.airflow.cli.generate:generate"},
    help="Runs Starlake projects on Airflow: the tools around the DAG files.",
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
)
