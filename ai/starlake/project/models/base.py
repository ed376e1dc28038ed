"""Common base of all metadata models: frozen, snake_case in Python, camelCase in the files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf
from pydantic.alias_generators import to_camel

from ai.starlake.common.rejects import RejectLimit


def _as_text(value: Any) -> Any:
    """Convert numbers and booleans to strings where a string is expected, as in Starlake's own JSON schema."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_as_text)]


def _as_folder_name(value: Any) -> Any:
    text = _as_text(value)
    if isinstance(text, str) and ("/" in text or "\0" in text or text in (".", "..")):
        raise ValueError(f"{text!r} cannot be the name of a folder, and the areas have a folder of this name")
    return text


FolderName = Annotated[str, BeforeValidator(_as_folder_name)]
Texts = tuple[Text, ...]
TextMap = dict[str, Text]
MaxRejected = Annotated[InstanceOf[RejectLimit], BeforeValidator(RejectLimit.of)]


class Model(BaseModel):
    """A part of a metadata file. The reader of the file decides whether an unknown key is an error."""

    filled_in: ClassVar[frozenset[str]] = frozenset()
    """Fields that the reader fills in, which are not keys of the file."""
    unused: ClassVar[frozenset[str]] = frozenset()
    """Keys of Starlake without effect here."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class FileModel(Model):
    """A part of a metadata file, with its file."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"file"})

    file: Path | None = Field(default=None, exclude=True, repr=False)
    """The file of the model; None for one created in memory."""
