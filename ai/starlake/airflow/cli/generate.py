"""The command `starlake-airflow generate`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.project.dag_generation.generation_command import GenerationTexts, generation_command

if TYPE_CHECKING:
    from ai.starlake.project.dag_generation.starts import WindowOf


def _opening(root: Path, folder: Path, files: Sequence[Path]) -> str:
    del files
    folder = folder.resolve()
    return f"SL_ROOT={shlex.quote(str(root))} AIRFLOW__CORE__DAGS_FOLDER={shlex.quote(str(folder))} airflow standalone"


def _window_of() -> WindowOf:
    from ai.starlake.orchestration.freshness.windows import CRON_WINDOWS

    return CRON_WINDOWS.window_of


generate = generation_command(
    GenerationTexts(
        orchestrator="Airflow",
        start="The start_date of a new file is the day on which the last interval that is over began, unless its\n"
        "configuration has one.",
        opening=_opening,
        next_step="DAGs are paused until you unpause them, unless dags_are_paused_at_creation in the section core of "
        "airflow.cfg is False.",
        window_of=_window_of,
    )
)
