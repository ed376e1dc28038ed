"""Types: the form of the values of an attribute, and their column type."""

from __future__ import annotations

from pydantic import Field

from ai.starlake.project.models.base import FileModel, Text, TextMap
from ai.starlake.project.models.enums import PrimitiveType


class TypeDefinition(FileModel):
    """A type of ``metadata/types``."""

    name: Text = Field(min_length=1)
    pattern: Text
    """Java regular expression for the whole value; for dates and times a Java date pattern or its name.

    For booleans, two expressions around ``<-TF->``: for true, and for false.
    """
    primitive_type: PrimitiveType = PrimitiveType.STRING
    zone: Text | None = None
    """Time zone of a timestamp, locale of a date or double, ``precision,scale`` of a decimal."""
    sample: Text | None = None
    comment: Text | None = None
    ddl_mapping: TextMap = Field(default_factory=dict)
    """Column type by database."""
