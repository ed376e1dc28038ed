"""Components of Dagster beyond their public interface. Import it only if Dagster has components."""

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
    """Return the resolver for a field of YAML of the given type.

    Args:
        description: Shown by `dg` and by editors.
        examples: Values that the field may have.
    """
    resolver: Resolver = Resolver.default(description=description, examples=examples)
    return resolver


def read_model(cls: type[T], context: ResolutionContext, given: Any) -> T:
    """Return the object that YAML describes.

    Args:
        cls: A class that Dagster can resolve.
        context: The context in which the YAML is read.
        given: The YAML, as an object of the model of the class.
    """
    made: T = cls.resolve_from_model(context, given)
    return made


def from_file_of(context: ResolutionContext, path: str) -> Path:
    """Return a path relative to the folder of the YAML file, unless it is absolute."""
    return context.resolve_source_relative_path(path)


def is_first_load() -> bool:
    """Return True if a code location is being loaded; False in the processes of its runs."""
    context = definitions_load_context.DefinitionsLoadContext.get()
    return context.load_type is definitions_load_context.DefinitionsLoadType.INITIALIZATION


def changed_spec(
    spec: AssetSpec, attributes: Any, context: ResolutionContext, scope: Mapping[str, Any], field: str
) -> AssetSpec:
    """Return a spec with the attributes from YAML: metadata and tags are added, others replaced.

    Args:
        spec: The spec.
        attributes: The attributes from YAML: a model, or the template of one.
        context: The context in which the YAML is read.
        scope: Variables for templates in the attributes.
        field: The name of the field of the component.
    """
    further = {"obj_name": field} if "obj_name" in {each.name for each in fields(TranslatorResolvingInfo)} else {}
    info = TranslatorResolvingInfo(asset_attributes=attributes, resolution_context=context, model_key=field, **further)
    changed: AssetSpec = info.get_asset_spec(spec, scope)
    return changed
