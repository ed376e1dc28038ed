"""Find out how to start a Java virtual machine that runs the commands of a `starlake` executable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai.starlake.executor.warm.warm_settings import WarmSettings


@dataclass(frozen=True)
class WarmLaunch:
    """How to start a server.

    Args:
        java: The Java binary.
        class_path: The class path, the server's own folder included.
        jvm_options: The options of the virtual machine.
        environment: The variables to start it with; no secrets. Each command brings all of its own.
        folder: The working folder, which is the same for all of its commands.
        fingerprint: A digest of what has to be equal for two commands to share a server.
    """

    java: str
    class_path: Sequence[str]
    jvm_options: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    fingerprint: str

    @classmethod
    def of(
        cls, executable: Sequence[str], environment: Mapping[str, str], settings: WarmSettings, *, folder: Path
    ) -> WarmLaunch:
        """Derive it from the executable and the environment of a command. Starts nothing.

        Args:
            executable: What `find_executable` returned.
            environment: The environment of the command.
            settings: What the user set; takes precedence.
            folder: The working folder of the command.

        Raises:
            StarlakeError: If it cannot be derived: what was looked for and where, and which option sets it.
        """
        raise NotImplementedError

    def argv(self) -> list[str]:
        """Return the command line of the server; nothing in it is secret."""
        return [self.java, *self.jvm_options, "-cp", ":".join(self.class_path), "StarlakeWarmServer"]
