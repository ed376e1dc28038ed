"""Start-up and lifetime of warm servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal["run", "code_location"]


@dataclass(frozen=True)
class WarmSettings:
    """Start-up and lifetime of warm servers.

    Args:
        servers: Maximum number of servers of one key that run at the same time; None for 1 where commands write to one
            DuckDB file, on which they wait for each other anyway, and 2 elsewhere.
        idle_timeout: Seconds after which a server without a command ends.
        scope: Lifetime of a server: that of the run, or of the code location, whose runs share it.
        java: The `java` executable, by path or name; None for that of `JAVA_HOME`, then of `PATH`.
        class_path: The class path of Starlake and Spark; empty for that of the `starlake` script.
        jvm_options: Options of the JVM, after those of the `starlake` script, so that they take precedence.
        start_timeout: Seconds that a server may take until it answers.
    """

    servers: int | None = None
    idle_timeout: float = 600.0
    scope: Scope = "run"
    java: str | None = None
    class_path: tuple[str, ...] = ()
    jvm_options: tuple[str, ...] = ()
    start_timeout: float = 120.0
