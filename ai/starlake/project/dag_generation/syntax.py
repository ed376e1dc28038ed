"""Whether generated files are Python at all."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from ai.starlake.common import StarlakeError
from ai.starlake.project.dag_generation.files import DagFile


def check_syntax(files: Iterable[DagFile]) -> None:
    """Makes sure that the files whose names end in ``.py`` can be read by Python; runs nothing of them.

    Raises:
        StarlakeError: If one cannot. A value that a template of the project writes without quoting it is the usual
            cause.
    """
    for file in files:
        if not file.name.endswith(".py"):
            continue
        try:
            ast.parse(file.text, file.name)
        except (SyntaxError, ValueError) as error:
            number = getattr(error, "lineno", None) or 0
            line = file.text.splitlines()[number - 1].strip() if 0 < number <= file.text.count("\n") else ""
            raise StarlakeError(
                f"{file.source}: line {number} of {file.name} is not valid Python: {line}",
                cause=getattr(error, "msg", None) or str(error),
                fix="correct the template; {{ value | literal }} writes a value so that no quote in it does harm",
            ) from error
