"""Read the types below ``metadata/types``, which override the default types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from ai.starlake.project.findings import Finding, ProjectError
from ai.starlake.project.models import TypeDefinition
from ai.starlake.project.reading.documents import Document, parse_document
from ai.starlake.project.reading.invalid import Origin, build
from ai.starlake.project.settings import Settings

_PACKAGED = "default_types.sl.yml"
_DEFAULT = "default.sl.yml"


@lru_cache(maxsize=1)
def default_types() -> Mapping[str, TypeDefinition]:
    """Return the default types of every project, by name."""
    text = resources.files("ai.starlake.project").joinpath(_PACKAGED).read_text(encoding="utf-8")
    document = parse_document(Path(_PACKAGED), text)
    return MappingProxyType({each.name: each for each in _types(document, document.data["types"], None)})


def type_files(settings: Settings) -> list[Path]:
    """Return the type files of the project: ``default.sl.yml``, which the others override, and the others."""
    files = sorted(settings.folder("types", "SL_TYPES").rglob("*.sl.yml"))
    return sorted(files, key=lambda file: file.name != _DEFAULT)


def read_types(settings: Settings) -> Mapping[str, TypeDefinition]:
    """Return all types by name: the packaged ones, then those of ``default.sl.yml``, then those of all others.

    Raises:
        ProjectError: If a file is invalid, or if a type is defined twice outside of ``default.sl.yml``.
    """
    types = dict(default_types())
    for file in type_files(settings):
        content = settings.store.read(file, "types")
        for index, each in enumerate(_types(content.document, content.data, file)):
            other = types.get(each.name)
            if other is not None and other.file is not None and other.file.name != _DEFAULT:
                message = f"the type {each.name} is defined in {other.file} too"
                raise ProjectError([content.document.finding(("types", index), message, "remove one of the two")])
            types[each.name] = each
    return MappingProxyType(types)


def _types(document: Document, data: object, file: Path | None) -> list[TypeDefinition]:
    if not isinstance(data, list):
        raise ProjectError([document.finding(("types",), "types must be a list", "write each type as - name: ...")])
    types: list[TypeDefinition] = []
    findings: list[Finding] = []
    for index, item in enumerate(data):
        origin = Origin(document, ("types", index))
        if not isinstance(item, dict):
            findings.append(document.finding(origin.path, "a type must have a name and a pattern", "add name:"))
            continue
        try:
            types.append(build(TypeDefinition, item, [origin]).model_copy(update={"file": file}))
        except ProjectError as error:
            findings += error.findings
    if findings:
        raise ProjectError(findings)
    return types
