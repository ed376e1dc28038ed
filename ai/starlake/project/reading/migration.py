"""Files from before ``version: 1``: the current meaning of their old keys.

Starlake rewrites such files silently; here each change is reported. Source of the rules: Starlake 1.5.16,
``YamlMigrator``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ai.starlake.project.findings import Finding, Severity
from ai.starlake.project.reading.documents import Document, KeyPath

Content = dict[str, Any]


def migrate(document: Document, root: str) -> tuple[Document, Any, list[Finding]]:
    """Return the content below the root key of a file, with old keys replaced by current ones.

    Args:
        document: The file.
        root: The root key of files of this kind: ``application``, ``load``, ``table``, ``task``, ...

    Returns:
        The file, with its keys under their current names for messages; the content; a warning for each change. Files
        with ``version: 1`` are returned unchanged.
    """
    if "version" in document.data:
        return document, document.data.get(root), []
    migration = _Migration(document, root)
    content = migration.run()
    return migration.document, content, migration.findings


class _Migration:
    """Migration of one file to version 1."""

    def __init__(self, document: Document, root: str) -> None:
        self.document = document
        self._root = root
        self.findings: list[Finding] = []

    def run(self) -> Any:
        """Return the content below the root key."""
        data = dict(self.document.data)
        if self._root == "table":
            self._rename(data, "schema", "table", ())
        if self._root not in data and self._root != "table":
            data = {self._root: data}
            if self.document.data:
                self._move((), (self._root,))
                self._tell((), f"everything is read as if it stood below {self._root}:")
        content = data.get(self._root)
        steps: dict[str, Callable[[Content, KeyPath], Content]] = {
            "table": self._table,
            "load": self._load,
            "task": self._task,
            "transform": self._transform,
        }
        step = steps.get(self._root)
        if step is not None and isinstance(content, dict):
            content = step(dict(content), (self._root,))
        return content

    def _table(self, table: Content, path: KeyPath) -> Content:
        table.pop("flat", None)
        metadata = table.get("metadata") or {}
        if isinstance(metadata, dict):
            table["metadata"] = metadata = self._metadata(dict(metadata), (*path, "metadata"))
            self._merge(table, metadata, path)
        return table

    def _load(self, load: Content, path: KeyPath) -> Content:
        if "metadata" in load and isinstance(load["metadata"], dict):
            load["metadata"] = self._metadata(dict(load["metadata"]), (*path, "metadata"))
        self._drop(load, "tables", path, "tables have files of their own")
        return load

    def _task(self, task: Content, path: KeyPath) -> Content:
        self._rename(task, "dataset", "table", path)
        self._rename(task, "attributesDesc", "attributes", path)
        for key in ("engine", "sqlEngine"):
            self._drop(task, key, path, "the connection decides")
        self._sink(task, path)
        self._write(task, path)
        self._merge(task, task, path)
        return task

    def _transform(self, transform: Content, path: KeyPath) -> Content:
        tasks = transform.get("tasks")
        if isinstance(tasks, list):
            transform["tasks"] = [
                self._task(dict(task), (*path, "tasks", index)) if isinstance(task, dict) else task
                for index, task in enumerate(tasks)
            ]
        if isinstance(transform.get("default"), dict):
            transform["default"] = self._task(dict(transform["default"]), (*path, "default"))
        return transform

    def _metadata(self, metadata: Content, path: KeyPath) -> Content:
        self._sink(metadata, path)
        self._strategy_names(metadata, path)
        self._write(metadata, path)
        self._drop(metadata, "mode", path, "files are the only mode")
        return metadata

    def _strategy_names(self, owner: Content, path: KeyPath) -> None:
        """Rename the old UPSERT_BY_KEY, which deleted and inserted by column name, to DELETE_THEN_INSERT."""
        strategy = owner.get("writeStrategy")
        if not isinstance(strategy, dict):
            return
        strategy = owner["writeStrategy"] = dict(strategy)
        here = (*path, "writeStrategy")
        if str(strategy.get("type", "")).upper() == "UPSERT_BY_KEY":
            strategy["type"] = "DELETE_THEN_INSERT"
            self._tell((*here, "type"), "UPSERT_BY_KEY is read as DELETE_THEN_INSERT, which it meant before version 1")
        types = strategy.get("types")
        if isinstance(types, dict) and any(name.upper() == "UPSERT_BY_KEY" for name in types):
            strategy["types"] = {
                "DELETE_THEN_INSERT" if name.upper() == "UPSERT_BY_KEY" else name: condition
                for name, condition in types.items()
            }
            self._tell((*here, "types"), "UPSERT_BY_KEY is read as DELETE_THEN_INSERT, which it meant before version 1")

    def _write(self, owner: Content, path: KeyPath) -> None:
        write = owner.pop("write", None)
        if not isinstance(write, str) or _has_type(owner):
            return
        name = "OVERWRITE" if write.upper() == "OVERWRITE" else "APPEND"
        owner["writeStrategy"] = {**_mapping(owner.get("writeStrategy")), "type": name}
        self._tell((*path, "write"), f"write: {write} is read as writeStrategy: {{type: {name}}}")

    def _merge(self, owner: Content, target: Content, path: KeyPath) -> None:
        """Convert the old ``merge: {key, timestamp}``, a write strategy without a name."""
        merge = owner.pop("merge", None)
        if not isinstance(merge, dict):
            return
        strategy = {**merge, **_mapping(target.get("writeStrategy"))}
        if "types" not in strategy and "key" in merge:
            strategy["type"] = "UPSERT_BY_KEY_AND_TIMESTAMP" if "timestamp" in merge else "DELETE_THEN_INSERT"
        target["writeStrategy"] = strategy
        self._tell((*path, "merge"), f"merge is read as writeStrategy of type {strategy.get('type', 'APPEND')}")

    def _sink(self, owner: Content, path: KeyPath) -> None:
        if not isinstance(owner.get("sink"), dict):
            return
        sink = owner["sink"] = dict(owner["sink"])
        here = (*path, "sink")
        self._drop(sink, "type", here, "the connection decides")
        partition = sink.get("partition")
        if isinstance(partition, dict) and "attributes" in partition:
            sink["partition"] = partition["attributes"]
            self._tell((*here, "partition"), "partition: {attributes: [...]} is read as partition: [...]")
        if "timestamp" in sink:
            sink["partition"] = [sink.pop("timestamp")]
            self._tell((*here, "timestamp"), "timestamp of a sink is read as its partition")
        dynamic = str(sink.pop("dynamicPartitionOverwrite", "")).lower()
        if dynamic == "true" and not _has_type(owner):
            owner["writeStrategy"] = {**_mapping(owner.get("writeStrategy")), "type": "OVERWRITE_BY_PARTITION"}
            self._tell(
                (*here, "dynamicPartitionOverwrite"),
                "dynamicPartitionOverwrite is read as writeStrategy: {type: OVERWRITE_BY_PARTITION}",
            )

    def _rename(self, owner: Content, old: str, new: str, path: KeyPath) -> None:
        if old in owner and new not in owner:
            owner[new] = owner.pop(old)
            self._move((*path, old), (*path, new))
            self._tell((*path, old), f"{old} is read as {new}")

    def _drop(self, owner: Content, key: str, path: KeyPath, reason: str) -> None:
        if key in owner:
            del owner[key]
            self._tell((*path, key), f"{key} means nothing any more: {reason}")

    def _move(self, old: KeyPath, new: KeyPath) -> None:
        """Keep the lines of moved keys."""
        lines = self.document.lines
        moved = {(*new, *path[len(old) :]): line for path, line in lines.items() if path[: len(old)] == old}
        self.document = replace(self.document, lines={**lines, **moved})

    def _tell(self, path: KeyPath, message: str) -> None:
        hint = "write it so and add version: 1 at the top of the file"
        self.findings.append(self.document.finding(path, message, hint, Severity.WARNING))


def _has_type(owner: Content) -> bool:
    strategy = _mapping(owner.get("writeStrategy"))
    return bool(strategy.get("type") or strategy.get("types"))


def _mapping(value: object) -> Content:
    return dict(value) if isinstance(value, dict) else {}
