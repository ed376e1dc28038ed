"""The component of a project: its assets from YAML."""

import dagster

from ai.starlake.common import StarlakeError

if not hasattr(dagster, "Component"):
    raise StarlakeError(
        "StarlakeProjectComponent needs components, which this version of Dagster does not have",
        cause=f"it is Dagster {dagster.__version__}",
        fix='install Dagster 1.11 or newer (pip install "dagster>=1.11"), or call build_starlake_definitions instead',
    )
