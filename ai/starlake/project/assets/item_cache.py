"""The items of projects on disk: reading them again costs a fraction of parsing the project."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ai.starlake.project.assets.project_item import ProjectItem, items_adapter

FOLDER_VARIABLE = "SL_DAGSTER_CACHE"
_SKIPPED = frozenset({"__pycache__", ".git", ".ipynb_checkpoints"})


def cached_items(
    name: str, content: str, environment: Mapping[str, str], read: Callable[[], tuple[ProjectItem, ...]]
) -> tuple[ProjectItem, ...]:
    """Return the items of a project: those on disk if they are of the same content, else those that are read now.

    Args:
        name: What there is one file for: the project as it is opened.
        content: The hash of all that the items are made of.
        environment: Says where the files are.
        read: Reads the project.
    """
    file = cache_folder(environment) / f"{_sha256(name)[:32]}.json"
    found = _load(file, content)
    if found is None:
        found = read()
        _save(file, content, found)
    return found


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder: ``SL_DAGSTER_CACHE``, else the one that the system has for caches of the user."""
    own = environment.get(FOLDER_VARIABLE)
    if own:
        return Path(own).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("starlake-dagster", appauthor=False)


def content_hash(folder: Any, environment: Mapping[str, str], options: Mapping[str, str]) -> str:
    """Return the hash of all that the items of a project are made of.

    That is every file below its folder of metadata, what its templates may use of the environment, and the code that
    reads it. A variable that no file names cannot change anything, and would make each run read the project again.

    Args:
        folder: The folder of the metadata, local or not.
        environment: The environment in which the project is opened.
        options: Variables that are given for it.
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


def _files(folder: Any) -> Iterator[tuple[str, Any]]:
    prefix = len(str(folder))
    for file in folder.rglob("*"):
        if file.is_file() and not _SKIPPED.intersection(file.parts):
            yield str(file)[prefix:], file


def _with_references(names: set[str], environment: Mapping[str, str]) -> set[str]:
    """Return names of variables with those that their values may refer to."""
    found, new = set(names), set(names)
    while new:
        text = "\n".join(environment[name] for name in new).encode()
        new = {name for name in environment if name.encode() in text and _is_word(name.encode(), text)} - found
        found |= new
    return found


def _is_word(name: bytes, text: bytes) -> bool:
    return len(name) > 1 and re.search(rb"(?<!\w)" + re.escape(name) + rb"(?!\w)", text) is not None


@lru_cache(maxsize=1)
def _reader() -> tuple[object, ...]:
    """Return what stands for the code that reads projects: another version may read the same files in another way."""
    own = ((file.name, file.stat()) for file in sorted(Path(__file__).parents[1].rglob("*.py")))
    try:
        parser = metadata.version("sqlglot")
    except metadata.PackageNotFoundError:
        parser = ""
    return (parser, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in own))


def _load(file: Path, content: str) -> tuple[ProjectItem, ...] | None:
    """Return what is on disk; None if that is of other content, or damaged."""
    try:
        first, _, rest = file.read_bytes().partition(b"\n")
        if first.decode() != f"{content} {hashlib.sha256(rest).hexdigest()}":
            return None
        items: tuple[ProjectItem, ...] = items_adapter().validate_json(rest)
    except (OSError, ValueError):
        return None
    return items


def _save(file: Path, content: str, items: tuple[ProjectItem, ...]) -> None:
    """Write items for later, at once or not at all; a folder that cannot be written to is no reason to fail."""
    body: bytes = items_adapter().dump_json(items)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(f"{content} {hashlib.sha256(body).hexdigest()}\n".encode())
                stream.write(body)
            Path(temporary).replace(file)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError:
        return


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
