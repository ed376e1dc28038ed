"""Base classes of the component, for versions of Dagster with components."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import dagster

__all__ = ["HAS_STATE", "ProjectComponentBase"]

HAS_STATE = hasattr(dagster, "StateBackedComponent")
"""True if components may keep state; without it, the project is read at each load of the code location."""

if TYPE_CHECKING or HAS_STATE:
    from dagster import StateBackedComponent as ProjectComponentBase
else:

    class ProjectComponentBase(dagster.Component):
        """A component that has no state."""

        def build_defs(self, context: dagster.ComponentLoadContext) -> dagster.Definitions:
            """Build the definitions from the project itself.

            Args:
                context: Context of the component, from Dagster.

            Returns:
                Assets, checks, jobs, schedules, sensors and resources of the project.
            """
            return self.build_defs_from_state(context, None)

        @abstractmethod
        def build_defs_from_state(
            self, context: dagster.ComponentLoadContext, state_path: Path | None
        ) -> dagster.Definitions:
            """Build the definitions.

            Args:
                context: Context of the component, from Dagster.
                state_path: File with the state; None to read the project itself.

            Returns:
                Assets, checks, jobs, schedules, sensors and resources of the project.
            """
