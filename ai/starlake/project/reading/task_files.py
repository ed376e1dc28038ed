"""Read the tasks below ``metadata/transform``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ai.starlake.common import PermanentError
from ai.starlake.project.checks.model_checks import check_task, errors
from ai.starlake.project.findings import Finding, ProjectError, attempt, nearest
from ai.starlake.project.models import Task, TransformDomain
from ai.starlake.project.paths import read_metadata
from ai.starlake.project.reading.documents import Document, KeyPath
from ai.starlake.project.reading.domain_files import CONFIG, SUFFIX
from ai.starlake.project.reading.invalid import Origin, build
from ai.starlake.project.reading.sql_files import Sections, split_sections
from ai.starlake.project.settings import Settings

_ENDINGS = {SUFFIX: "yaml", ".sql.j2": "sql", ".sql": "sql", ".py": "python"}
_CONCATENATED = ("presql", "postsql", "expectations", "tags", "acl")


@dataclass(frozen=True)
class TaskFiles:
    """Files of a task: those with its name, or its place in the folder's ``_config``."""

    folder: str
    name: str
    yaml: Path | None = None
    sql: Path | None = None
    python: Path | None = None
    inline: int | None = None


class TaskReader:
    """Reads tasks on demand, each file once.

    Args:
        settings: The settings of the project.
        strategies: The names of all write strategies; None: tasks are not checked.
    """

    def __init__(self, settings: Settings, strategies: frozenset[str] | None) -> None:
        self._settings = settings
        self._strategies = strategies
        self._files: dict[str, dict[str, TaskFiles]] = {}
        self._tasks: dict[tuple[str, str], Task] = {}

    @cached_property
    def folders(self) -> dict[str, Path]:
        """Folders of tasks by name, in the order of their names."""
        root = self._settings.metadata / "transform"
        paths = sorted(root.iterdir(), key=lambda path: path.name) if root.is_dir() else []
        return {path.name: path for path in paths if path.is_dir() and not path.name.startswith(".")}

    def files(self, folder: str) -> dict[str, TaskFiles]:
        """Return the tasks of a folder by name, including its subfolders.

        Raises:
            ProjectError: If two files define one task, or the folder's ``_config`` is invalid.
        """
        if folder not in self._files:
            found: dict[str, dict[str, Path]] = {}
            for file in sorted(self.folders[folder].rglob("*"), key=lambda file: file.name):
                _sort_in(file, found)
            tasks = {
                name: TaskFiles(folder, name, kinds.get("yaml"), kinds.get("sql"), kinds.get("python"))
                for name, kinds in found.items()
            }
            for index, item in enumerate(self._inline(folder)):
                name = str(item["name"])
                tasks[name] = replace(tasks.get(name, TaskFiles(folder, name)), inline=index)
            self._files[folder] = dict(sorted(tasks.items()))
        return self._files[folder]

    def domain(self, folder: str) -> TransformDomain:
        """Return a folder with its tasks.

        Raises:
            ProjectError: If a file of the folder is invalid; with all findings in all files.
        """
        data, document = self._config(folder)
        findings: list[Finding] = []
        tasks = [attempt(partial(self.task, folder, name), findings) for name in self.files(folder)]
        if findings:
            raise ProjectError(findings)
        plain = {key: value for key, value in data.items() if key not in ("tasks", "default")}
        named = {"name": folder, **plain, "folder": folder}
        origin = Origin(document, ("transform",))
        return build(TransformDomain, named, [origin]).model_copy(update={"tasks": tuple(tasks), "file": document.file})

    def find(self, name: str) -> Task:
        """Return a task by ``domain.task``, ignoring case.

        Raises:
            StarlakeError: If there is no such task, with the nearest existing name.
        """
        wanted = name.lower()
        folder_name, _, task_name = wanted.rpartition(".")
        for folder in self.folders:
            if folder.lower() == folder_name:
                task = self._match(folder, task_name, wanted)
                if task is not None:
                    return task
        broken: list[Finding] = []
        known: list[str] = []
        for files in self.all(broken):
            task = attempt(partial(self.task, files.folder, files.name), broken)
            if task is not None and task.full_name.lower() == wanted:
                return task
            known += [task.full_name] if task is not None else []
        if broken:
            raise ProjectError(broken)
        raise PermanentError(
            f"the task {name} does not exist",
            cause=f"nothing below {self._settings.areas.metadata}/transform is called so",
            fix=nearest(name, known) or "add a SQL file for it",
        )

    def all(self, broken: list[Finding]) -> Iterator[TaskFiles]:
        """Yield the files of all tasks.

        Args:
            broken: List to add the findings of invalid folders to.
        """
        for folder in self.folders:
            yield from (attempt(partial(self.files, folder), broken) or {}).values()

    def task(self, folder: str, name: str) -> Task:
        """Return the task of a folder and a file name.

        Raises:
            ProjectError: If its files are invalid.
        """
        key = (folder, name)
        if key not in self._tasks:
            task, document, root = self.build_task(self.files(folder)[name])
            if self._strategies is not None:
                read = (self.files(folder)[name].yaml, self.folders[folder] / CONFIG)
                checked = check_task(task, document, root, self._strategies)
                wrong = [*self._settings.store.errors(read), *errors(checked)]
                if wrong:
                    raise ProjectError(wrong)
            self._tasks[key] = task
        return self._tasks[key]

    def build_task(self, files: TaskFiles) -> tuple[Task, Document, KeyPath]:
        """Return a task, not yet checked against the rest of the project, its document and its place there."""
        config, config_document = self._config(files.folder)
        layers = [(config.get("default"), Origin(config_document, ("transform", "default")))]
        if files.inline is not None:
            place = ("transform", "tasks", files.inline)
            layers.append((config["tasks"][files.inline], Origin(config_document, place)))
        if files.yaml is not None:
            content = self._settings.store.read(files.yaml, "task")
            layers.append((content.mapping(), Origin(content.document, ("task",))))
        default, *own = (layer if isinstance(layer, dict) else {} for layer, _ in layers)
        data = _merge(own)
        if files.sql is not None:
            data = _with_sections(data, split_sections(read_metadata(files.sql), files.sql))
        data = _merge([default, data])
        origins = [origin for _, origin in reversed(layers)]
        named = {"domain": files.folder, **data, "name": files.name, "folder": files.folder}
        main = files.yaml or files.sql or files.python or config_document.file
        paths = {"file": main, "sql_file": files.sql, "python_file": files.python}
        task = build(Task, named, origins).model_copy(update=paths)
        if len(layers) > 1:
            return task, origins[0].document, origins[0].path
        return task, Document(main, {}, {}), ()

    def _match(self, folder: str, name: str, wanted: str) -> Task | None:
        for known in self.files(folder):
            if known.lower() == name:
                task = self.task(folder, known)
                return task if task.full_name.lower() == wanted else None
        return None

    def _inline(self, folder: str) -> list[dict[str, Any]]:
        data, document = self._config(folder)
        tasks = data.get("tasks", [])
        if not isinstance(tasks, list) or not all(isinstance(task, dict) and task.get("name") for task in tasks):
            message = "tasks must be a list of tasks with names"
            raise ProjectError([document.finding(("transform", "tasks"), message, "begin each with - name: ...")])
        return tasks

    def _config(self, folder: str) -> tuple[dict[str, Any], Document]:
        file = self.folders[folder] / CONFIG
        if not file.is_file():
            return {}, Document(file, {}, {})
        content = self._settings.store.read(file, "transform")
        return content.mapping(), content.document


def _sort_in(file: Path, found: dict[str, dict[str, Path]]) -> None:
    """Add a file to its task, if it is a file of a task."""
    ending = next((ending for ending in _ENDINGS if file.name.endswith(ending)), None)
    stem = file.name.removesuffix(ending or "")
    if ending is None or not stem or stem.startswith((".", "_")) or not file.is_file():
        return
    kinds = found.setdefault(stem, {})
    kind = _ENDINGS[ending]
    if kind in kinds:
        message = f"{kinds[kind]} is a file of the task {stem} too"
        raise ProjectError([Finding(file, 0, message, "remove or rename one of the two")])
    kinds[kind] = file


def _merge(layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Merge layers key by key, also in the sink; lists of statements, expectations, tags and rights are appended."""
    merged: dict[str, Any] = {}
    for layer in layers:
        added: dict[str, Any] = {
            key: [*merged[key], *layer[key]]
            for key in _CONCATENATED
            if isinstance(merged.get(key), list) and isinstance(layer.get(key), list)
        }
        if isinstance(merged.get("sink"), dict) and isinstance(layer.get("sink"), dict):
            added["sink"] = {**merged["sink"], **layer["sink"]}
        merged = {**merged, **layer, **added}
    return merged


def _with_sections(data: dict[str, Any], sections: Sections) -> dict[str, Any]:
    """Merge the SQL of a file into YAML: it takes precedence, and its statements before and after enclose YAML's."""
    result = {**data, "sql": sections.sql or data.get("sql")}
    before, after = data.get("presql", []), data.get("postsql", [])
    if sections.presql and isinstance(before, list):
        result["presql"] = [sections.presql, *before]
    if sections.postsql and isinstance(after, list):
        result["postsql"] = [*after, sections.postsql]
    return {key: value for key, value in result.items() if value is not None}
