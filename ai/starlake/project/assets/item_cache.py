"""Disk cache of the items of projects: reading it takes a fraction of the time of parsing the project."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ai.starlake.project.assets.project_item import ProjectItem, SqlAnswers, answers_adapter, items_adapter

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
FOLDER_VARIABLE = "SL_DAGSTER_CACHE"
_SKIPPED = frozenset({"__pycache__", ".git", ".ipynb_checkpoints"})


class ItemCache:
    """The cache of one project: its items, and the results of parsing its SQL.

    Args:
        name: Key of the cache file: the project with its arguments.
        environment: Defines the folder of the cache.
    """

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        stem = cache_folder(environment) / hashlib.sha256(name.encode()).hexdigest()[:32]
        self._items = stem.with_suffix(".items.json")
        self._answers = stem.with_suffix(".sql.json")

    def items(self, content: str) -> tuple[ProjectItem, ...] | None:
        """Return the items; None if the cache is for other content than this hash, or damaged."""
        return _load(self._items, content, items_adapter())

    def answers(self) -> SqlAnswers | None:
        """Return the results of parsing the SQL of the project, whatever its current content."""
        return _load(self._answers, _reader(), answers_adapter())

    def keep(self, content: str, items: tuple[ProjectItem, ...], answers: SqlAnswers) -> None:
        """Write both for the next time. A folder that is not writable is ignored."""
        with suppress(OSError):
            _save(self._items, content, items_adapter().dump_json(items, exclude_defaults=True))
            _save(self._answers, _reader(), answers_adapter().dump_json(answers, exclude_defaults=True))


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder: ``SL_DAGSTER_CACHE``, else the user's cache folder of the system."""
    own = environment.get(FOLDER_VARIABLE)
    if own:
        return Path(own).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("starlake-dagster", appauthor=False)


def content_hash(folder: Any, environment: Mapping[str, str], options: Mapping[str, str]) -> str:
    """Return the hash of everything that determines the items of a project.

    It includes every file below its metadata folder, the variables of the environment that its templates may use, and
    the code that reads it. A variable that no file names has no effect, and would make each run read the project again.

    Args:
        folder: The folder of the metadata, local or not.
        environment: The environment in which the project is opened.
        options: Its further variables.
    """
    digest = hashlib.sha256()
    unnamed = {name: name.encode() for name in environment if not name.startswith("SL_")}
    named = {name for name in environment if name.startswith("SL_") and name != FOLDER_VARIABLE}
    for relative, file in sorted(_files(folder)):
        text = file.read_bytes()
        digest.update(f"{relative}\0{len(text)}\0".encode())
        digest.update(text)
        found = [name for name, needle in unnamed.items() if needle in text and _is_word(needle, text)]
        named.update(found)
        for name in found:
            del unnamed[name]
    values = [(name, environment[name]) for name in sorted(_with_references(named, environment))]
    digest.update(repr((values, sorted(options.items()), _reader())).encode())
    return digest.hexdigest()


def files_hash(folder: Any) -> str:
    """Return the hash of the files of a metadata folder alone."""
    digest = hashlib.sha256()
    for relative, file in sorted(_files(folder)):
        text = file.read_bytes()
        digest.update(f"{relative}\0{len(text)}\0".encode())
        digest.update(text)
    return digest.hexdigest()


def _files(folder: Any) -> Iterator[tuple[str, Any]]:
    prefix = len(str(folder))
    for file in folder.rglob("*"):
        if file.is_file() and not _SKIPPED.intersection(file.parts):
            yield str(file)[prefix:], file


def _with_references(names: set[str], environment: Mapping[str, str]) -> set[str]:
    """Return names of variables, with those that their values may refer to."""
    found, new = set(names), set(names)
    while new:
        text = "\n".join(environment[name] for name in new).encode()
        new = {name for name in environment if name.encode() in text and _is_word(name.encode(), text)} - found
        found |= new
    return found


def _is_word(name: bytes, text: bytes) -> bool:
    return len(name) > 1 and re.search(rb"(?<!\w)" + re.escape(name) + rb"(?!\w)", text) is not None


@lru_cache(maxsize=1)
def _reader() -> str:
    """Return the hash of the code that reads projects: another version may read the same files differently."""
    own = ((file.name, file.stat()) for file in sorted(Path(__file__).parents[1].rglob("*.py")))
    try:
        parser = metadata.version("sqlglot")
    except metadata.PackageNotFoundError:
        parser = ""
    parts = (parser, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in own))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _load(file: Path, label: str, adapter: TypeAdapter[T]) -> T | None:
    """Return the content of a file; None if it has another label, or is damaged."""
    try:
        first, _, rest = file.read_bytes().partition(b"\n")
        if first.decode() != f"{label} {hashlib.sha256(rest).hexdigest()}":
            return None
        return adapter.validate_json(rest)
    except (OSError, ValueError):
        return None


def _save(file: Path, label: str, body: bytes) -> None:
    """Write a file atomically, readable by its user only."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(f"{label} {hashlib.sha256(body).hexdigest()}\n".encode())
            stream.write(body)
        Path(temporary).replace(file)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
