"""The command line of the engine: Starlake's commands, options, exit codes and output."""

from ai.starlake.common.extras import require_package

require_package("click", "starlake-embedded", "embedded")
