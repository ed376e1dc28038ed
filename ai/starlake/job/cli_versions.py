"""Differences between versions of the `starlake` command. No other module knows them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ai.starlake.common import StarlakeError

_VERSION = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,4}))?(?:[.-][A-Za-z0-9.-]+)?")
_CURRENT = (999, 0, 0)

_FLAG_SINCE = {"--scheduledDate": (1, 5, 1), "--notReadySentinel": (1, 5, 15), "--reportFormat": (1, 5, 9)}
_STAGE_SINCE = (1, 2, 0)
_PRELOAD_SINCE = (1, 3, 3)


@dataclass(frozen=True)
class StarlakeCli:
    """Features of one version of the command line.

    The facts are those of the tags of the starlake-ai/starlake repository.

    Args:
        version: Major, minor and patch number; by default the current release.
    """

    version: tuple[int, int, int] = _CURRENT

    @classmethod
    def of(cls, version: StarlakeCli | str | None) -> StarlakeCli:
        """Read the option `starlake_version`.

        Args:
            version: Version such as ``1.5.16``; None for the newest known.

        Returns:
            The command line of this version.

        Raises:
            StarlakeError: If the string is not a version of Starlake.
        """
        if version is None:
            return cls()
        if isinstance(version, cls):
            return version
        match = _VERSION.fullmatch(str(version).strip())
        if not match or int(match[1]) < 1:
            raise StarlakeError(
                f"option starlake_version: {version!r} is not a version of Starlake",
                fix="write it as in 1.5.16 (1.0.0 or higher), or leave it out for the current release",
            )
        return cls((int(match[1]), int(match[2]), int(match[3] or 0)))

    def __str__(self) -> str:
        return "current" if self.version == _CURRENT else ".".join(map(str, self.version))

    @property
    def stage_verb(self) -> str:
        """The verb that moves files from the landing area to the stage area: `import` became `stage` in 1.2.0."""
        return "stage" if self.version >= _STAGE_SINCE else "import"

    def stage_arguments(self, domain: str, tables: tuple[str, ...]) -> tuple[str, ...]:
        """Return the arguments of that verb for a domain; before 1.2.0 it cannot select tables.

        Args:
            domain: Name of the domain, or of its folder.
            tables: Names of tables; all if empty.
        """
        if self.version < _STAGE_SINCE:
            return ("--include", domain)
        return ("--domains", domain, *(("--tables", ",".join(tables)) if tables else ()))

    def accepts(self, flag: str) -> bool:
        """Return True if this version has a flag that others do not have.

        Args:
            flag: A flag with its hyphens, such as ``--scheduledDate``.
        """
        return self.version >= _FLAG_SINCE[flag]

    def require_preload_command(self) -> None:
        """Check that `starlake preload` distinguishes "nothing to load" from a failure.

        Raises:
            StarlakeError: If this version has no such command, or has the same exit code for both.
        """
        if self.version < _PRELOAD_SINCE or not self.accepts("--notReadySentinel"):
            raise StarlakeError(
                f"option pre_load_check: 'command' does not work with Starlake {self}",
                cause="before 1.5.15 `starlake preload` exits alike for 'nothing to load' and for a failure",
                fix="use pre_load_check 'files' (the default), or a newer Starlake",
            )
