"""An executable in place of `starlake`: it records its calls, and behaves as configured."""

from __future__ import annotations

import ast
import marshal
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai.starlake.common import StarlakeError
from tests.waiting import whole_lines

# A module, as Python keeps no compiled copy of a script.
_START = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import _fake_cli_main as fake; fake.main()"
_JOURNAL, _BEHAVIOUR = "calls", "behaviour"


@dataclass(frozen=True)
class FakeCall:
    """One call of the executable.

    Args:
        argv: What stood on the command line, verb first.
        cwd: The working directory.
        environment: The variables that are recorded.
        pid: The id of the process.
        started: When it began, in seconds since the epoch.
    """

    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    pid: int
    started: float

    @property
    def verb(self) -> str:
        """The verb, such as ``load``; empty without one."""
        return self.argv[0] if self.argv else ""

    def value_of(self, flag: str) -> str | None:
        """Return the text behind a flag such as ``--domains``; None when the flag is absent."""
        if flag not in self.argv[:-1]:
            return None
        return self.argv[self.argv.index(flag) + 1]

    @property
    def options(self) -> dict[str, str]:
        """Value of ``--options``, parsed as by Starlake."""
        items = (item.partition("=") for item in (self.value_of("--options") or "").split(",") if item)
        return {name: value for name, _, value in items}


class FakeStarlake:
    """A fake of the `starlake` command, for option `SL_STARLAKE_PATH`.

    Told nothing, it behaves as Starlake 1.5.16 does with a project whose areas are where they are by default, as far as
    files and exit codes go: `stage` moves files from ``{SL_ROOT}/incoming/{domain}`` to the stage area; `load` moves
    those of its tables from there to the ingesting area, and on to the archive when it succeeds; `preload` answers by
    its exit code, or by the file that ``--notReadySentinel`` names. Files belong to a table by the pattern in its
    ``.sl.yml``, or by its name when there is none. With SL_API set, a load that succeeds counts the lines of its files,
    without the first one of each.

    A call takes little more than the start of Python.

    Args:
        folder: Folder of the executable, the record of its calls and its configuration; created if missing.
        record: The environment variables to record; a name that ends with ``*`` stands for all that begin so.
    """

    def __init__(self, folder: Path | str, *, record: Iterable[str] = ("SL_*",)) -> None:
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "starlake"
        self._told: dict[str, dict[str, Any]] = {"": {"record": sorted(record)}}
        self._write()
        python = shlex.join([sys.executable, "-I", "-S", "-c", _START, str(self.folder)])
        self.path.write_text(f'#!/bin/sh\nexec {python} "$@"\n', encoding="utf-8")
        self.path.chmod(0o755)

    def __str__(self) -> str:
        return str(self.path)

    def behave(
        self,
        verb: str,
        *,
        exit_codes: Sequence[int] = (0,),
        stdout: Sequence[str] = (),
        stderr: Sequence[str] = (),
        sleep: float = 0,
        until: Path | None = None,
        counts: tuple[int, int, int] | None = None,
        ready: Sequence[bool] = (),
        print_environment: bool = False,
    ) -> None:
        """Configure the further calls of a verb; replaces the earlier configuration.

        Args:
            verb: Such as ``load``.
            exit_codes: Of its first call since, its second, and so on; the last one counts for all that follow. A load
                that fails leaves its files in the ingesting area.
            stdout: Lines that it prints.
            stderr: Lines that it prints on standard error.
            sleep: Seconds that it takes, after it has printed and taken its files.
            until: It also takes until this file exists.
            counts: The rows that a load read, accepted and rejected, instead of what its files hold.
            ready: What calls of ``preload`` answer, as `exit_codes`; by default what the files say.
            print_environment: Whether it prints all of its environment.

        Raises:
            StarlakeError: If there is no exit code.
        """
        if not exit_codes:
            raise StarlakeError(f"calls of {verb} have no exit code", fix="leave exit_codes out, or pass one or more")
        self._told[verb] = {
            "since": sum(call.verb == verb for call in self.calls()),
            "exit_codes": list(exit_codes),
            "stdout": list(stdout),
            "stderr": list(stderr),
            "sleep": sleep,
            "until": str(until or ""),
            "counts": list(counts) if counts else None,
            "ready": list(ready),
            "print_environment": print_environment,
        }
        self._write()

    def calls(self, verb: str | None = None) -> list[FakeCall]:
        """Return the calls so far, in the order in which they began, those that still run or were killed included.

        Args:
            verb: Only calls of this verb.
        """
        lines = whole_lines(self.folder / _JOURNAL)
        entries = (ast.literal_eval(line.partition("\t")[2]) for line in lines)
        calls = (FakeCall(**{**entry, "argv": tuple(entry["argv"])}) for entry in entries)
        return [call for call in calls if verb in (None, call.verb)]

    def forget(self) -> None:
        """Forgets all calls, and what it was told."""
        (self.folder / _JOURNAL).unlink(missing_ok=True)
        self._told = {"": self._told[""]}
        self._write()

    def _write(self) -> None:
        """In one step: a call that reads meanwhile sees the old text or the new one."""
        new = self.folder / f"{_BEHAVIOUR}.new"
        new.write_bytes(marshal.dumps(self._told))
        new.replace(self.folder / _BEHAVIOUR)
