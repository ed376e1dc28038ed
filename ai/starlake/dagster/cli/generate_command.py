"""The command `starlake-dagster generate`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.project.dag_generation.generation_command import GenerationTexts, generation_command

if TYPE_CHECKING:
    from ai.starlake.project.dag_generation.starts import WindowOf

_SHOWN = 4
"""Maximum number of files in the command that opens them in Dagster."""


def _opening(root: Path, folder: Path, files: Sequence[Path]) -> str:
    del folder
    shown = [part for file in files[:_SHOWN] for part in ("-f", str(file))]
    more = " -f ..." if len(files) > _SHOWN else ""
    return f"SL_ROOT={shlex.quote(str(root))} {shlex.join(['dagster', 'dev', *shown])}{more}"


def _window_of() -> WindowOf:
    from ai.starlake.dagster.pipelines.partitions import PARTITION_WINDOWS

    return PARTITION_WINDOWS.window_of


generate = generation_command(
    GenerationTexts(
        orchestrator="Dagster",
        start="The partitions of a new file begin with the last interval that is over, unless its configuration has a\n"
        "start_date.",
        opening=_opening,
        next_step="Schedules and sensors are off until you switch them on, under Automation; the option default_status "
        "of a DAG configuration changes that.",
        window_of=_window_of,
    )
)
