"""Components of Dagster beyond their public interface. Import it only where Dagster has components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dagster import Resolvable, Resolver
from dagster._core.definitions import definitions_load_context
from dagster.components.utils import TranslatorResolvingInfo

if TYPE_CHECKING:
    from dagster import AssetSpec
    from dagster.components import ResolutionContext

T = TypeVar("T", bound=Resolvable)


def described(description: str, examples: list[Any] | None = None) -> Resolver:
    """Return what reads a field of YAML as its type says.

    Args:
        description: Shown by `dg` and by editors.
        examples: Values that the field may have.
    """
    resolver: Resolver = Resolver.default(description=description, examples=examples)
    return resolver


def read_model(cls: type[T], context: ResolutionContext, given: Any) -> T:
    """Return an object that YAML describes.

    Args:
        cls: A class that Dagster can resolve.
        context: The context in which the YAML is read.
        given: The YAML, as an object of the model of the class.
    """
    made: T = cls.resolve_from_model(context, given)
    return made


def from_file_of(context: ResolutionContext, path: str) -> Path:
    """Return a path that starts at the folder of the file that is read, unless it is absolute."""
    return context.resolve_source_relative_path(path)


def is_first_load() -> bool:
    """Return True if a code location is being loaded; False in the processes of its runs."""
    context = definitions_load_context.DefinitionsLoadContext.get()
    return context.load_type is definitions_load_context.DefinitionsLoadType.INITIALIZATION


def changed_spec(
    spec: AssetSpec, attributes: Any, context: ResolutionContext, scope: Mapping[str, Any], field: str
) -> AssetSpec:
    """Return a spec with the attributes that YAML gives to it: metadata and tags are added, others replaced.

    Args:
        spec: The spec.
        attributes: The attributes as the YAML has them: a model, or the template of one.
        context: The context in which the YAML is read.
        scope: What templates in the attributes may name.
        field: The name of the field of the component.
    """
    further = {"obj_name": field} if "obj_name" in {each.name for each in fields(TranslatorResolvingInfo)} else {}
    info = TranslatorResolvingInfo(asset_attributes=attributes, resolution_context=context, model_key=field, **further)
    changed: AssetSpec = info.get_asset_spec(spec, scope)
    return changed
