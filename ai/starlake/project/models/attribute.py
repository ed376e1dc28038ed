"""The columns of a table."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, model_validator

from ai.starlake.project.models.base import Model, Text, Texts
from ai.starlake.project.models.enums import MetricType, Trim

_CATEGORY = re.compile(r"^\s*(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_]\w*\s*\()")


class AttributePosition(Model):
    """Position of a value in a line of fixed layout: zero-based, both ends included."""

    first: int
    """Index of the first character."""
    last: int
    """Index of the last character."""


class Attribute(Model):
    """A column, or a field of a nested one. See Starlake's `TableAttribute.scala`."""

    name: Text = Field(min_length=1)
    """Name of the field in the file."""
    type: Text = "string"
    """Name of a type of the project, or ``struct``."""
    array: bool = False
    """True if the value is an array."""
    required: bool = False
    """True if a null or missing value rejects the row."""
    attributes: tuple[Attribute, ...] = ()
    """Fields of a struct."""
    rename: Text | None = None
    """Name of the column, if it is another one."""
    ignore: bool = False
    """True if the attribute is validated and then dropped."""
    script: Text | None = None
    """SQL expression over the renamed columns that computes the value, with or without a leading ``SQL:``."""
    privacy: Text | None = None
    """``HIDE``, ``MD5``, ... or ``SQL:`` and an expression."""
    default: Text | None = None
    """Value for null and missing values, in the form that a file would have it."""
    trim: Trim = Trim.NONE
    """Blanks to remove before the value is checked."""
    position: AttributePosition | None = None
    """Position in the line, for the format ``POSITION``."""
    comment: Text | None = None
    """Description of the column."""
    foreign_key: Text | None = None
    """Column that the values refer to, ``domain.table.column``."""
    tags: Texts = ()
    """Labels of the column."""
    metric_type: MetricType = MetricType.NONE
    """Kind of statistics in Starlake's metrics."""
    access_policy: Text | None = None
    """Access policy in Starlake; ignored by the embedded engine."""
    sample: Text | None = None
    """Example of a value."""

    @property
    def final_name(self) -> str:
        """Name of the column in the target table."""
        return self.rename or self.name

    @property
    def expression(self) -> str | None:
        """SQL of `script`, without the optional ``SQL:``; None without a script."""
        if not self.script:
            return None
        script = self.script.strip()
        return script[4:].strip() if script[:4].upper() == "SQL:" else script

    @property
    def is_struct(self) -> bool:
        """True if the attribute contains other attributes."""
        return self.type.lower() == "struct" or bool(self.attributes)


class Expectation(Model):
    """A check of the target table after it was written. See Starlake's `ExpectationItem.scala`."""

    expect: Text = Field(min_length=1)
    """Call of a macro: ``none_null('id')``; a category before a dot is ignored."""
    fail_on_error: bool = True
    """False if the expectation never fails the load or the task."""

    @property
    def call(self) -> str:
        """The call of the macro alone."""
        return _CATEGORY.sub("", self.expect).strip()

    @model_validator(mode="before")
    @classmethod
    def _call_alone(cls, data: Any) -> Any:
        """Read a string as a call without anything else."""
        return {"expect": data} if isinstance(data, str) else data
