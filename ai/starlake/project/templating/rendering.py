"""Jinja, as Starlake's files use it; what a template uses and nobody defines is empty, and told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

_MARKS = ("{{", "{%", "{#")
_REFERENCE = re.compile(r"\$\{\s*(\w+)\s*\}")


class Rendering(NamedTuple):
    """What a template became.

    Attributes:
        text: The text.
        missing: The names that the template uses and nobody defines, in order; each is empty in the text. True: it is
            used; False: it is compared only.
    """

    text: str
    missing: Mapping[str, bool] = MappingProxyType({})


class UndefinedNameError(StarlakeError):
    """A template cannot be rendered because it needs a name that nobody defines.

    Args:
        error: What the template failed with.
        missing: The names that nobody defines, and whether each is used.
    """

    def __init__(self, error: StarlakeError, missing: Mapping[str, bool]) -> None:
        self.missing = dict(missing)
        super().__init__(error.culprit, cause=error.cause, fix=error.fix)


def render(text: str, variables: Mapping[str, Any], *, label: str = "a template") -> Rendering:
    """Render Jinja in a sandbox: a template can compute strings and nothing else.

    What is written as ``${NAME}`` is replaced after that if NAME is that of a string, as in Starlake's ``JinjaUtils``.

    Args:
        text: The template; returned as it is when there is no Jinja in it.
        variables: What its names stand for.
        label: What the template is, for error messages.

    Raises:
        UndefinedNameError: If it fails for a name that nobody defines: a macro that does not exist, a sum.
        StarlakeError: If the template has a syntax error, or does what the sandbox forbids.
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
    """Return the names that a template expects to be given.

    Raises:
        StarlakeError: If the template has a syntax error.
    """
    if not any(mark in text for mark in _MARKS):
        return frozenset()
    from jinja2 import meta

    with explained(label):
        return frozenset(meta.find_undeclared_variables(environment().parse(text)))


def references(text: str) -> list[str]:
    """Return the names that a template refers to as ``${NAME}``; a number is a group of a regular expression.

    What stands in an expression of Jinja, as in ``{{ '${NAME}' }}``, is a string like others.
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
    """The macros that a template defines.

    Attributes:
        by_name: The macros, and the variables that the template sets.
        missing: The names that the template uses outside of macros and nobody defines, and whether each is used.
    """

    by_name: Mapping[str, Any]
    missing: Mapping[str, bool] = MappingProxyType({})


def macros_of(text: str, variables: Mapping[str, Any]) -> Macros:
    """Return the macros that a template defines, to be called by another.

    Args:
        text: The template; what it writes outside of macros is dropped.
        variables: What the macros may use.

    Raises:
        UndefinedNameError: If it fails for a name that nobody defines.
        StarlakeError: If the template cannot be rendered.
    """
    if "{%" not in text:
        return Macros({})
    with noted("the macros of the project") as missing:
        module = _template(text).make_module(dict(variables))
        return Macros({name: value for name, value in vars(module).items() if not name.startswith("_")}, missing)


@contextmanager
def noted(label: str) -> Iterator[dict[str, bool]]:
    """Collect the names that templates use within the ``with`` statement and nobody defines; see `Rendering.missing`.

    Args:
        label: What the template is, for error messages.

    Raises:
        UndefinedNameError: Instead of an error that such names may have caused.
        StarlakeError: As `explained` does.
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
    """Turn what goes wrong while a template is parsed or rendered into errors that name it.

    Args:
        label: What the template is.

    Raises:
        StarlakeError: Instead of Jinja's errors, and of those that an expression in a template can raise.
    """
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        yield
    except TemplateSyntaxError as error:
        raise StarlakeError(
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
        raise StarlakeError(
            f"{label}: the template cannot be rendered: {error}",
            fix="define what the template uses in an env file, a macro or --options",
        ) from error


@lru_cache(maxsize=4096)
def _template(text: str) -> Template:
    """Return a compiled template; the same few are rendered for every file of a load."""
    return environment().from_string(text)


@lru_cache(maxsize=1)
def environment() -> SandboxedEnvironment:
    """Return the environment of Jinja in which all but DAG files are rendered."""
    return new_environment()


def new_environment(**options: Any) -> SandboxedEnvironment:
    """Return an environment of Jinja.

    Args:
        **options: Options of Jinja's that differ from those of all environments here.
    """
    from jinja2.sandbox import SandboxedEnvironment

    from ai.starlake.project.templating.undefined import NotedUndefined

    return SandboxedEnvironment(undefined=NotedUndefined, keep_trailing_newline=True, autoescape=False, **options)
