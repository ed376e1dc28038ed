"""Jinja in Starlake's files; undefined names are empty, and reported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ai.starlake.common import PermanentError, StarlakeError

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

_MARKS = ("{{", "{%", "{#")
_REFERENCE = re.compile(r"\$\{\s*(\w+)\s*\}")


class Rendering(NamedTuple):
    """Result of rendering a template.

    Attributes:
        text: The rendered string.
        missing: The undefined names, in order; each is rendered as an empty string. True: it is used; False: it is only
            compared.
    """

    text: str
    missing: Mapping[str, bool] = MappingProxyType({})


class UndefinedNameError(PermanentError):
    """A template cannot be rendered because of an undefined name.

    Args:
        error: The error of the template.
        missing: The undefined names, and whether each is used.
    """

    def __init__(self, error: StarlakeError, missing: Mapping[str, bool]) -> None:
        self.missing = dict(missing)
        super().__init__(error.culprit, cause=error.cause, fix=error.fix)


def render(text: str, variables: Mapping[str, Any], *, label: str = "a template") -> Rendering:
    """Render Jinja in a sandbox: a template can only compute strings.

    ``${NAME}`` is replaced afterwards if NAME is a string variable, as in Starlake's ``JinjaUtils``.

    Args:
        text: The template; returned unchanged if it contains no Jinja.
        variables: The values of its names.
        label: Description of the template, for error messages.

    Raises:
        UndefinedNameError: If it fails because of an undefined name: an unknown macro, a sum.
        StarlakeError: If the template has a syntax error, or violates the sandbox.
    """
    if not any(mark in text for mark in (*_MARKS, "${")):
        return Rendering(text)
    missing: dict[str, bool] = {}
    result = text
    if any(mark in text for mark in _MARKS):
        with noted(label) as missing:
            result = _template(text).render(variables)
    if "${" in result:
        written = set(references(text)) if _REFERENCE.search(text) else set()
        missing |= {name: True for name in references(result) if name in written and name not in variables}
        result = _REFERENCE.sub(lambda found: _string_of(found, variables), result)
    return Rendering(result, missing)


def undeclared(text: str, *, label: str) -> frozenset[str]:
    """Return the undeclared names of a template.

    Raises:
        StarlakeError: If the template has a syntax error.
    """
    if not any(mark in text for mark in _MARKS):
        return frozenset()
    from jinja2 import meta

    with explained(label):
        return frozenset(meta.find_undeclared_variables(environment().parse(text)))


def references(text: str) -> list[str]:
    """Return the names in ``${NAME}`` references of a template; a number is a group of a regular expression.

    A reference in a Jinja expression, as in ``{{ '${NAME}' }}``, is an ordinary string.
    """
    parts = [text]
    if any(mark in text for mark in _MARKS):
        with explained("the template"):
            parts = [value for _, kind, value in environment().lex(text) if kind == "data"]
    return [name for part in parts for name in _REFERENCE.findall(part) if not name[0].isdigit()]


def _string_of(found: re.Match[str], variables: Mapping[str, Any]) -> str:
    value = variables.get(found[1])
    return value if isinstance(value, str) else found[0]


class Macros(NamedTuple):
    """The macros of a template.

    Attributes:
        by_name: The macros, and the variables that the template sets.
        missing: The undefined names outside of macros, and whether each is used.
    """

    by_name: Mapping[str, Any]
    missing: Mapping[str, bool] = MappingProxyType({})


def macros_of(text: str, variables: Mapping[str, Any]) -> Macros:
    """Return the macros of a template, for use in another.

    Args:
        text: The template; its output outside of macros is dropped.
        variables: Variables for the macros.

    Raises:
        UndefinedNameError: If it fails because of an undefined name.
        StarlakeError: If the template cannot be rendered.
    """
    if "{%" not in text:
        return Macros({})
    with noted("the macros of the project") as missing:
        module = _template(text).make_module(dict(variables))
        return Macros({name: value for name, value in vars(module).items() if not name.startswith("_")}, missing)


@contextmanager
def noted(label: str) -> Iterator[dict[str, bool]]:
    """Collect undefined names in templates within the ``with`` statement; see `Rendering.missing`.

    Args:
        label: Description of the template, for error messages.

    Raises:
        UndefinedNameError: In place of an error that such names may have caused.
        StarlakeError: See `explained`.
    """
    from ai.starlake.project.templating.undefined import noting

    with noting() as names:
        try:
            with explained(label):
                yield names
        except StarlakeError as error:
            if names:
                raise UndefinedNameError(error, names) from error
            raise


@contextmanager
def explained(label: str) -> Iterator[None]:
    """Convert errors of parsing or rendering a template to errors that name it.

    Args:
        label: Description of the template.

    Raises:
        StarlakeError: In place of Jinja's errors, and of those of expressions in a template.
    """
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        yield
    except TemplateSyntaxError as error:
        raise PermanentError(
            f"{label}:{error.lineno}: this is not valid Jinja: {error.message}", fix="correct the template"
        ) from error
    except (
        TemplateError,
        ArithmeticError,
        TypeError,
        ValueError,
        LookupError,
        RecursionError,
        AttributeError,
    ) as error:
        raise PermanentError(
            f"{label}: the template cannot be rendered: {error}",
            fix="define what the template uses in an env file, a macro or --options",
        ) from error


@lru_cache(maxsize=4096)
def _template(text: str) -> Template:
    """Return a compiled template; the same few are rendered for every file of a load."""
    return environment().from_string(text)


@lru_cache(maxsize=1)
def environment() -> SandboxedEnvironment:
    """Return the Jinja environment for all files except DAG files."""
    return new_environment()


def new_environment(**options: Any) -> SandboxedEnvironment:
    """Return a Jinja environment.

    Args:
        **options: Options that differ from the common ones.
    """
    from jinja2.sandbox import SandboxedEnvironment

    from ai.starlake.project.templating.undefined import NotedUndefined

    return SandboxedEnvironment(undefined=NotedUndefined, keep_trailing_newline=True, autoescape=False, **options)
