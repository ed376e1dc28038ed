"""Types: the form of the values of an attribute, and their column type."""

from __future__ import annotations

from pydantic import Field

from ai.starlake.project.models.base import FileModel, Text, TextMap
from ai.starlake.project.models.enums import PrimitiveType


class TypeDefinition(FileModel):
    """A type of ``metadata/types``. See Starlake's `PrimitiveType.scala` and `types/default.sl.yml`."""

    name: Text = Field(min_length=1)
    """Name that attributes refer to."""
    pattern: Text
    """Java regular expression for the whole value; for dates and times a Java date pattern or its name.

    For booleans, two expressions around ``<-TF->``: for true, and for false.
    """
    primitive_type: PrimitiveType = PrimitiveType.STRING
    """Type of the values in memory."""
    zone: Text | None = None
    """Time zone of a timestamp, locale of a date or double, ``precision,scale`` of a decimal."""
    sample: Text | None = None
    """Example of a value."""
    comment: Text | None = None
    """Description of the type."""
    ddl_mapping: TextMap = Field(default_factory=dict)
    """Column type by database."""
