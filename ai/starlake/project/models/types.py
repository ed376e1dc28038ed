"""Types: what the values of an attribute look like and what they become."""

from __future__ import annotations

from pydantic import Field

from ai.starlake.project.models.base import FileModel, Text, TextMap
from ai.starlake.project.models.enums import PrimitiveType


class TypeDefinition(FileModel):
    """A type of ``metadata/types``."""

    name: Text = Field(min_length=1)
    pattern: Text
    """Java regular expression that the whole value must match; for dates and times a date pattern of Java or its name.

    For booleans two expressions around ``<-TF->``: what is true, and what is false.
    """
    primitive_type: PrimitiveType = PrimitiveType.STRING
    zone: Text | None = None
    """Time zone of a timestamp, locale of a date or double, ``precision,scale`` of a decimal."""
    sample: Text | None = None
    comment: Text | None = None
    ddl_mapping: TextMap = Field(default_factory=dict)
    """Database to the type of its columns."""
