"""Items as a state file: a deployment reads it instead of the project, and checks that it belongs to the project."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.project.assets.item_cache import files_hash
from ai.starlake.project.assets.project_item import ProjectItem, items_adapter
from ai.starlake.project.assets.starlake_project import StarlakeProject
from ai.starlake.project.paths import is_address

_FORMAT = 1


def dump_state(project: StarlakeProject) -> bytes:
    """Return the items of a project with their source.

    Raises:
        StarlakeError: If a file of the project is invalid.
    """
    head = json.dumps({**_identity(project), "content": _content(project)}, ensure_ascii=False)
    return b"\n".join([head.encode(), items_adapter().dump_json(project.items)])


def load_state(project: StarlakeProject, state: bytes, *, refresh: str, same_content: bool) -> tuple[ProjectItem, ...]:
    """Return the items of a state.

    Args:
        project: The expected project.
        state: The result of `dump_state`.
        refresh: Way to create the state again, for error messages.
        same_content: True if the files of the project must still be those of the state. Remote files, such as those in
            Cloud Storage, are not read for it.

    Raises:
        StarlakeError: If the state is of another project, of another version of this package, or older than a file of
            the project; or if it is damaged.
    """
    first, _, rest = state.partition(b"\n")
    found = _head(project, first, refresh)
    expected = {**_identity(project), **({"content": _content(project)} if same_content else {})}
    different = [name for name, value in expected.items() if found.get(name) != value]
    if different:
        raise StarlakeError(
            f"the state of {project.root} cannot be used",
            cause="; ".join(_difference(name, found.get(name), expected[name]) for name in different),
            fix=refresh,
        )
    try:
        return items_adapter().validate_json(rest)
    except ValueError as error:
        raise _damaged(project, refresh) from error


def _head(project: StarlakeProject, line: bytes, refresh: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise _damaged(project, refresh) from error
    if not isinstance(found, dict):
        raise _damaged(project, refresh)
    return found


def _damaged(project: StarlakeProject, refresh: str) -> StarlakeError:
    return StarlakeError(f"the state of {project.root} cannot be used", cause="its file is damaged", fix=refresh)


def _identity(project: StarlakeProject) -> dict[str, Any]:
    """Return the identity of a project in a state, besides its files; for options, which may be secrets, a hash."""
    options = hashlib.sha256(repr(sorted(project.options.items())).encode()).hexdigest()
    return {"format": _FORMAT, "version": _version(), "project": project.root, "env": project.env, "options": options}


def _content(project: StarlakeProject) -> str | None:
    return None if is_address(project.root) else files_hash(project.model.settings.metadata)


def _version() -> str:
    try:
        return metadata.version("starlake-jobs")
    except metadata.PackageNotFoundError:  # running from source, without an installation
        return "unknown"


def _difference(name: str, found: Any, expected: Any) -> str:
    if name == "content":
        return "a file of the project has changed since it was made"
    if name == "options":
        return "it was made with other options"
    label = {"project": "for the project", "version": "by version", "env": "for the env"}.get(name, f"by {name}")
    return f"it was made {label} {found}, not {expected}"
