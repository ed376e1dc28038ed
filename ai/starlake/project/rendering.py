"""Jinja, as Starlake's files use it: what is not defined is empty."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

_MARKS = ("{{", "{%", "{#")
_REFERENCE = re.compile(r"\$\{\s*(\w+)\s*\}")


def render(text: str, variables: Mapping[str, Any], *, label: str = "a template") -> str:
    """Renders Jinja in a sandbox: a template can compute texts and nothing else.

    What is written as ``${NAME}`` is replaced after that if it is the name of a text, as in Starlake's ``JinjaUtils``.

    Args:
        text: The template; returned as it is when there is no Jinja in it.
        variables: What its names stand for; other names are empty.
        label: What the template is, for error messages.

    Raises:
        StarlakeError: If the template has a syntax error, calls what does not exist, or does what the sandbox forbids.
    """
    if any(mark in text for mark in _MARKS):
        with explained(label):
            text = _template(text).render(variables)
    return _REFERENCE.sub(lambda found: _text_of(found, variables), text) if "${" in text else text


def _text_of(found: re.Match[str], variables: Mapping[str, Any]) -> str:
    value = variables.get(found[1])
    return value if isinstance(value, str) else found[0]


def macros_of(text: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The macros that a template defines, to be called by another.

    Args:
        text: The template; what it writes outside of macros is dropped.
        variables: What the macros may use.

    Raises:
        StarlakeError: If the template cannot be rendered.
    """
    if "{%" not in text:
        return {}
    with explained("the macros of the project"):
        module = _template(text).make_module(dict(variables))
        return {name: value for name, value in vars(module).items() if not name.startswith("_")}


@contextmanager
def explained(label: str) -> Iterator[None]:
    """Turns what goes wrong while a template is parsed or rendered into errors that name it.

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
            f"{label}:{error.lineno}: this is no valid Jinja: {error.message}", fix="correct the template"
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


@lru_cache(maxsize=512)
def _template(text: str) -> Template:
    """A compiled template; the same few are rendered for every file of a load."""
    return _environment().from_string(text)


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    from jinja2 import ChainableUndefined
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(undefined=ChainableUndefined, keep_trailing_newline=True, autoescape=False)
