"""A project for users of assets: a folder, read on use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.project.paths import is_address

if TYPE_CHECKING:
    from ai.starlake.project.assets.project_item import ProjectItem
    from ai.starlake.project.project import Project


class StarlakeProject:
    """A Starlake project. Creating one reads nothing; results are cached, in the process and in the user's cache.

    Args:
        root: Folder or URI that contains ``metadata``.
        env: The profile, as ``SL_ENV``; that of the environment by default.
        options: Variables that take precedence over all others, as ``--options`` of Starlake's commands.

    Raises:
        StarlakeError: If the folder is not a path, or a variable is not a string.
    """

    def __init__(self, root: Path | str, *, env: str | None = None, options: Mapping[str, str] | None = None) -> None:
        text = _path_of(root)
        self.root = text if is_address(text) else str(Path(text).expanduser().absolute())
        self.env = env
        self.options: Mapping[str, str] = MappingProxyType(_strings(options or {}))

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.root.rstrip("/").rpartition("/")[2]

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that select this project: its folder, and its profile."""
        return {**({"SL_ENV": self.env} if self.env is not None else {}), "SL_ROOT": self.root}

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which it is read, and its commands run."""
        return {**os.environ, **self.variables}

    @cached_property
    def items(self) -> tuple[ProjectItem, ...]:
        """All items of the project: its tables, then its tasks, each after its dependencies.

        Raises:
            StarlakeError: If a file of the project is invalid, or if two items write one table.
        """
        from ai.starlake.project.assets.item_cache import ItemCache

        cache = ItemCache(repr(self._identity()), self.environment)
        items = cache.items(self.content)
        if items is not None:
            return items
        from ai.starlake.project.assets.item_reading import read_items  # it takes longer than reading the cache
        from ai.starlake.project.assets.parsed_sql import ParsedSql

        parsed = ParsedSql(cache.answers())
        items = read_items(self.model, parsed)
        cache.keep(self.content, items, parsed.used)
        return items

    @cached_property
    def content(self) -> str:
        """Hash of everything that determines the items, at its first use, before they were read.

        Raises:
            StarlakeError: If there is no project, or its application or env files are invalid.
        """
        from ai.starlake.project.assets.item_cache import content_hash

        return content_hash(self.model.settings.metadata, self.environment, self.options)

    def with_items(self, items: tuple[ProjectItem, ...]) -> StarlakeProject:
        """Return the project with given items, so that it is not read for them.

        Args:
            items: Tables and tasks of the project.
        """
        project = StarlakeProject(self.root, env=self.env, options=self.options)
        project.items = items
        return project

    @cached_property
    def model(self) -> Project:
        """The project, read on demand.

        Raises:
            StarlakeError: If there is no project, or its application or env files are invalid.
        """
        from ai.starlake.project.project import Project

        return Project.read(self.root, environment=self.environment, options=self.options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StarlakeProject) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> tuple[object, ...]:
        return _open, (self.root, self.env, dict(self.options))

    def __repr__(self) -> str:
        env = f", env={self.env!r}" if self.env is not None else ""
        return f"StarlakeProject({self.root!r}{env})"

    def _identity(self) -> tuple[object, ...]:
        return self.root, self.env, tuple(sorted(self.options.items()))


def _open(root: str, env: str | None, options: Mapping[str, str]) -> StarlakeProject:
    return StarlakeProject(root, env=env, options=options)


def _path_of(root: Any) -> str:
    path = root if isinstance(root, (str, os.PathLike)) else None
    text = None if path is None else os.fspath(path)
    if not isinstance(text, str):
        raise StarlakeError(
            f"the project is {root!r}",
            cause="it is neither a path nor an address",
            fix="pass the folder that holds the project's metadata folder; a variable such as SL_ROOT may not be set",
        )
    return text


def _strings(variables: Mapping[str, Any]) -> dict[str, str]:
    for name, value in variables.items():
        if not isinstance(value, str):
            raise StarlakeError(
                f"the variable {name} of the project is not a string",
                cause=f"its type is {type(value).__name__}",
                fix="write it as its files should contain it, such as '1' or 'true'",
            )
    return dict(variables)
