"""The embedded engine: the verbs of the Starlake command line on DuckDB, without a JVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai.starlake.common.foreign import require_own_package

if TYPE_CHECKING:
    from ai.starlake.embedded.engine import Engine
    from ai.starlake.embedded.results import LoadResult, PreloadResult, StageResult, TransformResult

require_own_package()

__all__ = ["Engine", "LoadResult", "PreloadResult", "StageResult", "TransformResult"]


def __getattr__(name: str) -> object:
    """Import names on demand: the command must start fast, and DuckDB is slow to import."""
    if name == "Engine":
        from ai.starlake.embedded.engine import Engine

        return Engine
    if name in __all__:
        from ai.starlake.embedded import results

        return getattr(results, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
