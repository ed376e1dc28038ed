"""Plans for opening DuckDB connections: the file that is written, and unsupported options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ai.starlake.project.areas import Areas
from ai.starlake.project.databases.pre_actions import PreActions, read_pre_actions
from ai.starlake.project.models import Connection
from ai.starlake.project.paths import is_address, join

PREFIX = "jdbc:duckdb:"
_LAKE = "ducklake:"
_NO_EFFECT = frozenset({"driver", "user", "password", "quoteidentifiers", "truncate"})
"""Options of JDBC and Spark without effect on rows: DuckDB has no users, and all names are quoted here."""
_OWN = frozenset({"url", "preactions"})
_NAME_A_FILE = f"name a file ({PREFIX}{{{{SL_ROOT}}}}/datasets/duckdb.db), or attach one in preActions and USE it"


ONE_CONNECTION = "use one connection for both, or give audit.sink.connectionRef a database of its own"
"""Fix for connections that `clash`."""


@dataclass(frozen=True)
class Problem:
    """An unsupported option of a connection.

    Attributes:
        option: The option.
        message: The problem.
        hint: The fix.
        writing: True if it only matters if rows are written.
    """

    option: str
    message: str
    hint: str
    writing: bool = False


@dataclass(frozen=True)
class Plan:
    """A plan for opening a DuckDB connection.

    Attributes:
        main: The file that is opened; None for a database in memory with others attached.
        settings: DuckDB's own settings by name.
        statements: Statements that run before the database is used.
        file: The file that is written: the main one, an attached one, or the one with the catalog of a DuckLake. None
            if there is none, in which case `problems` has the reason.
        files: All local files that are opened.
        made: Those of them that are created if missing.
        empty: Those of them that the engine creates itself, in a format that Starlake reads too.
        problems: Unsupported options.
    """

    main: Path | None
    settings: Mapping[str, str]
    statements: tuple[str, ...]
    file: Path | None
    files: tuple[Path, ...]
    made: tuple[Path, ...]
    empty: tuple[Path, ...]
    problems: tuple[Problem, ...]

    def blocking(self, *, writing: bool) -> Problem | None:
        """Return the first problem that prevents the use of the connection."""
        return next((each for each in self.problems if writing or not each.writing), None)


def plan_of_file(file: Path) -> Plan:
    """Return the plan for a DuckDB file that is known by its path only; it is created if missing."""
    return Plan(file, {}, (), file, files=(file,), made=(file,), empty=(file,), problems=())


def plan_of(connection: Connection, areas: Areas) -> Plan:
    """Return the plan for a DuckDB connection.

    Args:
        connection: The connection; one of DuckDB.
        areas: The folders; a relative path starts at the project's root, which is the working folder of commands.
    """
    location, parameters = _url(connection, areas)
    settings, problems = dict(parameters), []
    for name, value in connection.options.items():
        if name.lower() in _OWN or name.lower() in _NO_EFFECT or not value:
            continue
        if name.lower() == "dbtable" or name.upper().startswith("SL_"):
            problems.append(Problem(name, f"the embedded engine does not know the option {name}", "remove it"))
        else:
            settings[name] = value
    problems += _wrong_values(connection)

    def absolute(path: str) -> str:
        return path if is_address(path) or is_address(areas.root) or path.startswith("~") else join(areas.root, path)

    text = next((value for name, value in connection.options.items() if name.lower() == "preactions"), "")
    lake = location.lower().startswith(_LAKE)
    if lake:
        quoted = location.replace("'", "''")
        text = f"ATTACH '{quoted}' AS starlake_lake; USE starlake_lake; {text}"
    main = None if lake else _main(location, absolute)
    actions = read_pre_actions(text, absolute, main.name.partition(".")[0] if main else "memory")
    file, reason = _target(location, main, actions, settings)
    problems += [
        Problem("preActions", f"preActions: {verb} cannot be run on a DuckDB connection: {why}", _INSTEAD)
        for verb, why in actions.refused
    ]
    problems += [reason] if reason else []
    own = [main] if main else []
    attached = [each for each in actions.attachments.values() if each.file is not None]
    files = _unique([*own, *(each.file for each in attached)])
    made = _unique([*own, *(each.file for each in attached if not each.read_only)])
    empty = _unique([*own, *(each.file for each in attached if each.plain)])
    return Plan(main, settings, tuple(actions.statements), file, files, made, empty, tuple(problems))


def _unique(files: Iterable[Path | None]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(file for file in files if file is not None))


def clash(one: Connection, first: Plan, second: Plan) -> str | None:
    """Return the reason why two connections cannot be open in one command; None if they can.

    DuckDB opens a file once per process, with one set of settings.

    Args:
        one: A connection.
        first: Its plan.
        second: The plan of another one.
    """
    shared = set(first.files) & set(second.files)
    if first == second or not shared:
        return None
    return f"it opens {min(shared)}, and so does the connection {one.name}, in another way; one command uses both"


_INSTEAD = "put SQL that reads or changes rows into the presql of a table or task"


def _url(connection: Connection, areas: Areas) -> tuple[str, dict[str, str]]:
    """Return the location in the URL, and the settings after it: ``jdbc:duckdb:file;threads=4``.

    A ``;`` in the name of the project's own folder does not begin a setting.
    """
    url = (connection.url or "").strip()
    location = url[len(PREFIX) :] if url.lower().startswith(PREFIX) else ""
    own = next((folder for folder in (areas.datasets, areas.root) if location.startswith(folder)), "")
    first, *rest = re.split(r"[;?]", location[len(own) :])
    location = own + first
    pairs = (each.partition("=") for part in rest for each in part.split("&") if each.strip())
    return location.strip(), {name.strip(): value.strip() for name, _, value in pairs}


def _main(location: str, absolute: Callable[[str], str]) -> Path | None:
    if not location or location.startswith((":memory:", "md:", "motherduck:")) or is_address(location):
        return None
    return Path(absolute(location))


def _wrong_values(connection: Connection) -> Iterator[Problem]:
    driver = next((value for name, value in connection.options.items() if name.lower() == "driver"), "")
    if driver and "duckdb" not in driver.lower():
        yield Problem("driver", f"driver: {driver} is not the driver of DuckDB, but url is {PREFIX}", "correct one")
    for name, value, accepted in (("quote", connection.quote, '"'), ("separator", connection.separator, ".")):
        if value and value != accepted:
            yield Problem(name, f"{name}: DuckDB does not understand {value}", f"write {accepted}, or remove it")


def _target(
    location: str, main: Path | None, actions: PreActions, settings: Mapping[str, str]
) -> tuple[Path | None, Problem | None]:
    """Return the file that is written, or the reason why there is none."""
    used = actions.used
    if used is None and main is not None:
        mode = next((value for name, value in settings.items() if name.lower() == "access_mode"), "")
        if mode.lower() == "read_only":
            return main, Problem("access_mode", f"{main} is opened READ_ONLY", "remove access_mode", writing=True)
        return main, None
    if used is None:
        return None, _nowhere(location)
    if used.read_only:
        message = f"preActions: {used.alias} is attached READ_ONLY, and rows are written to it"
        return used.file, Problem("preActions", message, "remove READ_ONLY", writing=True)
    if used.file is None:
        what = "in memory, so its rows are lost when the command ends" if used.kind == "memory" else "not a DuckDB file"
        message = f"preActions: {used.alias} is the database in use, and it is {what}"
        hint = "attach a DuckDB file, or a DuckLake whose catalog is one, and USE it"
        return None, Problem("preActions", message, hint, writing=True)
    return used.file, None


def _nowhere(location: str) -> Problem:
    if not location or location.startswith(":memory:"):
        message = "the database is in memory: its rows are lost when the command ends"
        return Problem("url", message, _NAME_A_FILE, writing=True)
    return Problem("url", f"the embedded engine cannot write to {location.partition(':')[0]}: databases", _NAME_A_FILE)
