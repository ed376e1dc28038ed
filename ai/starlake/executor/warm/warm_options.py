"""The options of warm servers."""

from __future__ import annotations

import os
import shlex
import warnings
from typing import Annotated

from pydantic import BeforeValidator, Field

from ai.starlake.executor.warm.warm_settings import Scope, WarmSettings
from ai.starlake.job.job_options import StarlakeOptionWarning
from ai.starlake.job.process_options import ProcessOptions


def _read_class_path(value: object) -> object:
    return tuple(filter(None, value.split(os.pathsep))) if isinstance(value, str) else value


def _read_words(value: object) -> object:
    return tuple(shlex.split(value)) if isinstance(value, str) else value


WARM = "run commands in a Java virtual machine that lives on between them (docs/warm.md)"
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class WarmOptions(ProcessOptions):
    """The options of jobs whose commands may run in warm servers."""

    warm: bool = Field(default=False, description=WARM)
    warm_servers: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="number of warm servers that run at the same time; by default 1 for a DuckDB file, 2 otherwise",
    )
    warm_idle_timeout: _Positive = Field(
        default=600, description="seconds that a warm server waits for a command before it ends"
    )
    warm_scope: Scope = Field(
        default="run", description="lifetime of a warm server: `run`, or `code_location`, whose runs share the server"
    )
    warm_java: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="the `java` of warm servers; by default that of `JAVA_HOME`, then of `PATH`",
    )
    warm_class_path: Annotated[tuple[str, ...] | None, BeforeValidator(_read_class_path)] = Field(
        default=None,
        description="the class path of warm servers, as a list or separated by colons; "
        "by default that of the `starlake` script",
    )
    warm_jvm_options: Annotated[tuple[str, ...] | None, BeforeValidator(_read_words)] = Field(
        default=None,
        description="options of the Java virtual machine of warm servers, such as `-Xmx4g`, as a list or one string; "
        "they take precedence over those of the `starlake` script",
    )
    warm_start_timeout: _Positive = Field(
        default=120, description="seconds to wait for the start of a warm server, before commands run as processes"
    )

    def _check(self) -> None:
        super()._check()
        if not self.warm:
            return
        from ai.starlake.executor.executable import is_embedded_engine

        executable = [self.SL_STARLAKE_PATH] if isinstance(self.SL_STARLAKE_PATH, str) else self.SL_STARLAKE_PATH
        if is_embedded_engine(executable):
            warnings.warn(
                f"option warm has no effect: {executable[0]} is the embedded engine, which has no JVM",
                StarlakeOptionWarning,
                stacklevel=2,
            )

    @property
    def prestarts(self) -> bool:
        """True if the executor can start a server ahead of a command."""
        return self.warm

    @property
    def warm_settings(self) -> WarmSettings:
        """Start-up and lifetime of warm servers."""
        return WarmSettings(
            servers=self.warm_servers,
            idle_timeout=self.warm_idle_timeout,
            scope=self.warm_scope,
            java=self.warm_java,
            class_path=self.warm_class_path or (),
            jvm_options=self.warm_jvm_options or (),
            start_timeout=self.warm_start_timeout,
        )
