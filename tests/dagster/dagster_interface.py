"""Finds uses of what Dagster does not mark as public, by its own marker.

The class of an expression is known from annotations: of parameters, of fields, and of Dagster's own properties and
methods, through assignments, loops and comprehensions. Where it is not known, the name of the attribute decides: one
that only members have which are not public is one of these, wherever it is used.
"""

from __future__ import annotations

import ast
import builtins
import enum
import functools
import inspect
import logging
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import dagster
import pydantic
from dagster._annotations import is_public
from dagster._core import events

CLASSES: Mapping[str, type] = {
    name: found
    for module in (events, dagster)
    for name, found in vars(module).items()
    if inspect.isclass(found) and found.__module__.startswith("dagster")
}
"""The classes that users meet."""

_BUILT_IN = [found for found in vars(builtins).values() if inspect.isclass(found)]
_OTHERS = (*_BUILT_IN, pydantic.BaseModel, pathlib.Path, datetime, logging.Logger, re.Match, re.Pattern)
"""Classes whose members may be called as hidden ones of Dagster."""


def _own_bases(cls: type) -> list[type]:
    return [base for base in cls.__mro__ if base.__module__.startswith("dagster")]


@functools.cache
def is_open(cls: type, name: str) -> bool | None:
    """Return whether a member of a class is public; None if the class has no such member.

    Public is what is marked so, what annotations of the class name, what its constructor takes, and all of an enum or
    an exception.
    """
    bases = [base for base in _own_bases(cls) if name in base.__dict__ or name in getattr(base, "__annotations__", {})]
    if not bases:
        return None
    if issubclass(cls, (enum.Enum, BaseException)) or any(
        name in getattr(base, "__annotations__", {}) for base in bases
    ):
        return True
    found = [base.__dict__[name] for base in bases]
    if any(is_public(each) or is_public(getattr(each, "__func__", None)) for each in found):
        return True
    return name in _taken_by_constructor(cls) or name in getattr(cls, "_fields", ())


@functools.cache
def _taken_by_constructor(cls: type) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(cls).parameters)
    except (TypeError, ValueError):
        return frozenset()


@functools.cache
def _hidden_names() -> frozenset[str]:
    """Return the names that members have which are not public, and nothing else of Dagster, Python or pydantic."""
    verdicts: dict[str, set[bool | None]] = {}
    for cls in CLASSES.values():
        for base in _own_bases(cls):
            for name in list(base.__dict__):
                verdicts.setdefault(name, set()).add(is_open(cls, name))
    elsewhere = {name for other in _OTHERS for name in dir(other)}
    return frozenset(name for name, found in verdicts.items() if found == {False} and name not in elsewhere)


def _class_in(annotation: object) -> type | None:
    """Return the only Dagster class in an annotation, even if it is in a container or beside None."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", None) or str(annotation)
    found = {CLASSES[word] for word in re.findall(r"\w+", text) if word in CLASSES}
    return found.pop() if len(found) == 1 else None


def _member_class(cls: type, name: str) -> type | None:
    """Return the class of an attribute, or of what a method returns, as Dagster annotates it."""
    for base in cls.__mro__:
        member = base.__dict__.get(name)
        member = getattr(member, "fget", None) or getattr(member, "func", None) or getattr(member, "__func__", member)
        annotation = getattr(member, "__annotations__", {}).get("return")
        if annotation is None:
            annotation = getattr(base, "__annotations__", {}).get(name)
        if annotation is not None:
            return _class_in(annotation)
    return None


class _Reader(ast.NodeVisitor):
    """Reads one module."""

    def __init__(self, ours: frozenset[str]) -> None:
        self.found: list[tuple[int, str]] = []
        self._ours = ours
        self._modules: set[str] = {"self", "cls"}
        self._known: dict[str, type | None] = {}
        self._fields: dict[str, type | None] = {}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if (node.module or "").startswith("ai."):
            self._modules |= {each.asname or each.name for each in node.names}

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer = self._fields
        fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
        self._fields = {each.target.id: _class_in(ast.unparse(each.annotation)) for each in fields}
        self.generic_visit(node)
        self._fields = outer

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = self._known
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        own = {each.arg: _class_in(ast.unparse(each.annotation)) for each in arguments if each.annotation}
        self._known = {**outer, **own}
        self.generic_visit(node)
        self._known = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self._note(target, node.value)

    def visit_For(self, node: ast.For) -> None:
        self._note(node.target, node.iter)
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            if item.optional_vars is not None:
                self._note(item.optional_vars, item.context_expr)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._note(node.target, node.value)
        self.generic_visit(node)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        for each in node.generators:
            self._note(each.target, each.iter)
        self.generic_visit(node)

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension  # noqa: N815

    def visit_Attribute(self, node: ast.Attribute) -> None:
        cls = self._class_of(node.value)
        verdict = is_open(cls, node.attr) if cls else None
        if verdict is None:
            is_own = node.attr in self._ours or (isinstance(node.value, ast.Name) and node.value.id in self._modules)
            verdict = is_own or node.attr not in _hidden_names()
        if not verdict:
            self.found.append((node.lineno, ast.unparse(node)))
        self.generic_visit(node)

    def _note(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._known = {**self._known, target.id: self._class_of(value)}

    def _class_of(self, node: ast.expr) -> type | None:
        """Return the class of an expression, of a container that of what is in it; None where it is not known."""
        match node:
            case ast.Name(id=name):
                found = self._known.get(name) or CLASSES.get(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                found = self._fields.get(name)
            case ast.Attribute(value=value, attr=name):
                cls = self._class_of(value)
                found = _member_class(cls, name) if cls else None
            case ast.Call(func=value) | ast.Subscript(value=value) | ast.Await(value=value) | ast.Starred(value=value):
                found = self._class_of(value)
            case ast.ListComp(elt=value) | ast.SetComp(elt=value) | ast.GeneratorExp(elt=value):
                found = self._class_of(value)
            case ast.BoolOp(values=values) | ast.List(elts=values) | ast.Tuple(elts=values):
                found = next(filter(None, map(self._class_of, values)), None)
            case ast.IfExp(body=body, orelse=orelse):
                found = self._class_of(body) or self._class_of(orelse)
            case _:
                found = None
        return found


def uses_of_what_is_not_public(source: str, ours: Iterable[str] = ()) -> list[tuple[int, str]]:
    """Return the line and the text of each use in a module.

    Args:
        source: The text of the module.
        ours: The names of members of our own classes.
    """
    reader = _Reader(frozenset(ours))
    reader.visit(ast.parse(source))
    return sorted(set(reader.found))


def names_of_members(source: str) -> Iterator[str]:
    """Yield the names of what a module defines in classes, private ones left out: nobody else may use these."""
    for cls in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)):
        for node in ast.walk(cls):
            if isinstance(node, ast.FunctionDef):
                name = node.name
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                name = node.target.id
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                name = node.attr
            else:
                continue
            if not name.startswith("_"):
                yield name
