"""YAML files, read once, with the line of every key.

All plain values are read as strings and become numbers and booleans if a model requires them: so ``on`` stays a key,
``default: 007`` keeps its zeros and ``sample: 2024-01-01`` is not a date. Starlake's own reader does the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ai.starlake.project.findings import Finding, ProjectError, Severity

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_NULL_TAG = "tag:yaml.org,2002:null"
_MERGE_TAG = "tag:yaml.org,2002:merge"
_MAX_NODES = 200_000
"""More nodes than any real file has; an alias of aliases (a "billion laughs") exceeds it and is refused."""

_HARMLESS = re.compile(r"[\w/.-]*")
_PLACEHOLDER = "\ue000{}\ue001"

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The content of a YAML file.

    Attributes:
        file: The file.
        data: Mappings, lists, strings; nulls are left out of mappings.
        lines: The line, from 1, of each key and list item by its path.
        findings: Warnings about the file.
    """

    file: Path
    data: dict[str, Any]
    lines: Mapping[KeyPath, int] = field(repr=False)
    findings: tuple[Finding, ...] = ()

    def line(self, path: KeyPath) -> int:
        """Return the line of a key, or of its nearest existing parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def finding(self, path: KeyPath, message: str, hint: str = "", severity: Severity = Severity.ERROR) -> Finding:
        """Return a finding about a key of this file."""
        return Finding(self.file, self.line(path), message, hint, severity)


def parse_document(file: Path, text: str, literals: Iterable[str] = ()) -> Document:
    """Parse the content of a YAML file.

    Args:
        file: The file, for messages.
        text: Its content, with rendered Jinja. An empty one is an empty mapping.
        literals: Strings in the content that are read as they are, whatever their characters mean in YAML: a folder
            whose name contains a quote, and which Jinja has written between quotes.

    Raises:
        ProjectError: If it is not valid YAML, or not a mapping.
    """
    unsafe = sorted({each for each in literals if not _HARMLESS.fullmatch(each)}, key=len, reverse=True)
    placeholders = {_PLACEHOLDER.format(number): literal for number, literal in enumerate(unsafe)}
    for placeholder, literal in placeholders.items():
        text = text.replace(literal, placeholder)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise _unreadable(file, line, error.problem or str(error)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _unreadable(file, 0, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    if node is None:
        return Document(file, {}, {})
    if not isinstance(node, yaml.MappingNode):
        raise _unreadable(file, node.start_mark.line + 1, "the file must begin with a key, not with a list or a value")
    builder = _Builder(file, placeholders)
    try:
        data = builder.build(node, ())
    except RecursionError as error:
        raise _unreadable(file, 0, "it is nested too deeply") from error
    return Document(file, data, builder.lines, tuple(builder.findings))


def _unreadable(file: Path, line: int, problem: str) -> ProjectError:
    return ProjectError([Finding(file, line, f"this is not valid YAML: {problem}", "correct the file's syntax")])


class _Builder:
    """Converts YAML nodes to plain data, and records the line of each key."""

    def __init__(self, file: Path, placeholders: Mapping[str, str]) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.findings: list[Finding] = []
        self._file = file
        self._placeholders = placeholders
        self._nodes = 0
        self._open: set[int] = set()

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > _MAX_NODES or id(node) in self._open:
            raise _unreadable(self._file, node.start_mark.line + 1, "an alias repeats itself without end")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode) -> str | None:
        is_null = node.tag == _NULL_TAG or (node.style is None and node.value in _NULLS)
        return None if is_null else self._string(node)

    def _string(self, node: yaml.ScalarNode) -> str:
        """Return the value of a node with the literals in place of their placeholders."""
        value = str(node.value)
        for placeholder, literal in self._placeholders.items():
            value = value.replace(placeholder, literal)
        return value

    def _sequence(self, node: yaml.Node, path: KeyPath) -> list[Any]:
        items = []
        for index, child in enumerate(node.value):
            here = (*path, index)
            self.lines[here] = child.start_mark.line + 1
            value = self.build(child, here)
            if value is not None:
                items.append(value)
        return items

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _MERGE_TAG:
                merged.update(self._merged(value_node, path))
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise _unreadable(self._file, line, "a key must be a string")
            key = self._string(key_node)
            if key in own:
                message = f"{key} is given twice; the first one is not read"
                self.findings.append(Finding(self._file, line, message, "remove one", Severity.WARNING))
            here = (*path, key)
            self.lines[here] = line
            own[key] = self.build(value_node, here)
        return {key: value for key, value in {**merged, **own}.items() if value is not None}

    def _merged(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        """Return the keys of ``<<: *alias``; earlier aliases of a list take precedence, as in YAML's specification."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for source in reversed(nodes):
            value = self.build(source, path)
            if not isinstance(value, dict):
                raise _unreadable(self._file, source.start_mark.line + 1, "<< must refer to a mapping")
            result.update(value)
        return result
