"""Conversion of errors of pydantic and the models to findings with a file, a line and a hint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ai.starlake.project.findings import Finding, ProjectError, nearest
from ai.starlake.project.reading.documents import Document, KeyPath

ModelT = TypeVar("ModelT", bound=BaseModel)

_SHAPES = {
    "model_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "list_type": "a list",
}
"""Forms of a value in a file, by the type of the error in which pydantic names a class of Python."""


class Origin(NamedTuple):
    """Origin of a part of a model's data: a document, and the path of that part in it."""

    document: Document
    path: KeyPath
    at: KeyPath = ()
    """Path of that part in the model."""


def build(model: type[ModelT], data: dict[str, Any], origins: Sequence[Origin]) -> ModelT:
    """Return a model from the data of files.

    Args:
        model: The model.
        data: Its data, with the keys of the files.
        origins: The origins of the data; a message about a key refers to the first one that has it.

    Raises:
        ProjectError: If a value is missing or invalid; with all findings.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [_finding(dict(problem), origins) for problem in error.errors(include_url=False, include_input=True)]
        raise ProjectError(problems) from error


def _finding(problem: dict[str, Any], origins: Sequence[Origin]) -> Finding:
    location = tuple(part for part in problem["loc"] if part != "[key]")
    name = ".".join(str(part) for part in location) or "the file"
    message = problem["msg"]
    if problem["type"] == "missing":
        message, hint = f"{name} is missing", f"add {location[-1]}"
    elif problem["type"] == "word":
        message, hint = f"{name}: {message}", nearest(str(problem["input"]), _accepted(problem))
    elif problem["type"] in _SHAPES:
        message, hint = f"{name} must be {_SHAPES[problem['type']]}", "correct the value"
    else:
        message, hint = f"{name}: {message[:1].lower()}{message[1:]}", "correct the value"
    return finding_of(origins, location, message, hint if hint.startswith(("did", "add", "correct")) else "")


def finding_of(origins: Sequence[Origin], location: KeyPath, message: str, hint: str) -> Finding:
    """Return a finding about a part of a model.

    Args:
        origins: The origins of its data; the finding refers to the first one that has the part.
        location: Path of the part in the model.
        message: The problem.
        hint: The fix.
    """
    document, path = _where(location, origins)
    return document.finding(path, message, hint)


def _accepted(problem: dict[str, Any]) -> list[str]:
    return str(problem.get("ctx", {}).get("accepted", "")).split(", ")


def _where(location: KeyPath, origins: Sequence[Origin]) -> tuple[Document, KeyPath]:
    """Return the origin with the longest part of the location; the earlier one of equal ones."""
    best = (origins[0].document, origins[0].path)
    best_length = -1
    for document, path, at in origins:
        if location[: len(at)] != at:
            continue
        rest = location[len(at) :]
        length = next((n for n in range(len(rest), 0, -1) if (*path, *rest[:n]) in document.lines), 0) + len(at)
        if length > best_length:
            best, best_length = (document, (*path, *rest)), length
    return best


def unknown_keys(
    model: type[BaseModel], data: Any, document: Document, path: KeyPath, also: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    """Yield findings about keys that the model does not have, at any depth.

    Args:
        model: The model of the data.
        data: The data from the document.
        document: The document of the data.
        path: Path of the data in the document.
        also: Further known keys at the top level.
    """
    if not isinstance(data, dict):
        return
    fields = _fields(model)
    for key, value in data.items():
        here = (*path, key)
        if key not in fields:
            if key not in also:
                yield document.finding(here, f"{key} is not a known key", nearest(key, fields.keys() | also))
            continue
        for kind, child, child_path in _children(fields[key], value, here):
            yield from unknown_keys(kind, child, document, child_path)


def _children(nested: _Nested | None, value: Any, path: KeyPath) -> Iterator[tuple[type[BaseModel], Any, KeyPath]]:
    if nested is None:
        return
    if nested.container is tuple and isinstance(value, list):
        yield from ((nested.model, item, (*path, index)) for index, item in enumerate(value))
    elif nested.container is dict and isinstance(value, dict):
        yield from ((nested.model, item, (*path, name)) for name, item in value.items())
    elif nested.container is None:
        yield nested.model, value, path


class _Nested(NamedTuple):
    model: type[BaseModel]
    container: type | None


@lru_cache(maxsize=64)
def _fields(model: type[BaseModel]) -> dict[str, _Nested | None]:
    """Return the keys of a model as spelled in files, and the models below them."""
    fields = {(info.alias or name): _nested(info.annotation) for name, info in model.model_fields.items()}
    filled_in: frozenset[str] = getattr(model, "filled_in", frozenset())
    unused: frozenset[str] = getattr(model, "unused", frozenset())
    own = {name: nested for name, nested in fields.items() if name not in filled_in}
    return {**own, **dict.fromkeys(unused)}


def _nested(annotation: Any, container: type | None = None) -> _Nested | None:
    origin = get_origin(annotation)  # checked first: in Python 3.10, dict[str, X] is a type too
    if origin is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _Nested(annotation, container)
    if origin in (Union, UnionType):
        return next(filter(None, (_nested(part, container) for part in get_args(annotation))), None)
    if origin in (tuple, dict):
        item = get_args(annotation)[0 if origin is tuple else 1]
        return _nested(item, origin)
    return None
