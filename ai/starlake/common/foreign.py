"""Detect Starlake's own packages beside this one: both install the package `ai.starlake`, over each other."""

from __future__ import annotations

from ai.starlake.common.errors import PermanentError


class ForeignPackageError(PermanentError):
    """Files of `ai.starlake` belong to other distributions.

    Args:
        file: A file that this project does not install.
    """

    def __init__(self, file: str) -> None:
        super().__init__(
            f"the package ai.starlake is mixed: {file} belongs to another distribution than starlake-jobs",
            cause="starlake-orchestration, starlake-dagster and starlake-airflow, which are Starlake's own packages,"
            " install files of the same names",
            fix="pip uninstall starlake-orchestration starlake-dagster starlake-airflow, then install starlake-jobs"
            " again with --force-reinstall; or use an environment for each",
        )


def require_own_package() -> None:
    """Check that no other distribution installed files into `ai.starlake`.

    Called at import, so it only reads an attribute: Starlake's own packages install an ``ai/__init__.py``, this project
    does not.

    Raises:
        ForeignPackageError: If there is such a file.
    """
    import ai

    file = getattr(ai, "__file__", None)
    if file:
        raise ForeignPackageError(str(file))
