"""What to do about a command that failed, as far as its exit code and its last lines tell."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

_BY_EXIT_CODE = {
    -signal.SIGKILL: """the system ended it, most likely for want of memory: lower SPARK_DRIVER_MEMORY in sl_env_var, \
or run fewer steps at once (max_concurrent of the Dagster executor)""",
    -signal.SIGTERM: """something outside of Dagster ended it: look into the logs of the machine or the container""",
}

_BY_OUTPUT = {
    r"Could not set lock on file|Conflicting lock is held": """another process has the DuckDB file open: close it; \
commands of this project wait for each other unless option duckdb_lock is 'off'""",
    r"OutOfMemoryError|GC overhead limit": """the Java virtual machine ran out of memory: raise SPARK_DRIVER_MEMORY in \
sl_env_var""",
    r"Unknown (command|option|argument)": """this Starlake does not know the command or one of its flags: set option \
starlake_version to the version that `starlake --version` prints""",
    r"JAVA_HOME|java: (command )?not found": """Starlake needs Java: install it, or set JAVA_HOME in sl_env_var""",
}


def hint(exit_code: int, tail: Sequence[str]) -> str | None:
    """What the user can do about it; None when there is nothing to say beyond the output."""
    if exit_code in _BY_EXIT_CODE:
        return _BY_EXIT_CODE[exit_code]
    text = "\n".join(tail)
    return next((fix for pattern, fix in _BY_OUTPUT.items() if re.search(pattern, text)), None)
