"""Compute profiles of tables and tasks: the profile of each command, and its tag on assets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ai.starlake.dagster.assets.dagster_features import quiet
from ai.starlake.job.compute_choices import COMPUTE_TAG, OPTION, ComputeChoice, chosen_profile, section_choice
from ai.starlake.job.compute_profiles import ComputeProfile
from ai.starlake.job.sections import check_sections, names_of_section

if TYPE_CHECKING:
    from dagster import AssetSpec

    from ai.starlake.dagster.assets.translated_project import TranslatedProject
    from ai.starlake.dagster.job import StarlakeDagsterJob
    from ai.starlake.project.assets.project_item import ProjectItem


def item_compute(
    translated: TranslatedProject, sl_job: StarlakeDagsterJob[Any], in_code: ComputeChoice | None
) -> Callable[[ProjectItem], ComputeProfile | None]:
    """Return the function that finds an item's compute profile; for the order see `ai.starlake.job.compute_profiles`.

    Args:
        translated: The project, and its translator.
        sl_job: The options, with their sections.
        in_code: The profile that code sets for all items.

    Raises:
        StarlakeError: If the name of a section is similar to that of a table or task.
    """
    settings, options = sl_job.settings, _with_profiles(sl_job.options)
    names = {name for item in translated.project.items for name in names_of_section(item.full_name, item.full_name)}
    check_sections(options, names, f"project {translated.project.name}", strict=False)

    def choose(item: ProjectItem) -> ComputeProfile | None:
        translation = translated.compute_of(item)
        return chosen_profile(
            settings.compute,
            settings.default_compute,
            ComputeChoice(item.compute, f"{item.compute_place}: compute", portable=True) if item.compute else None,
            section_choice(options, names_of_section(item.full_name, item.full_name)),
            ComputeChoice(translation, f"get_compute_profile for {item.full_name}") if translation else None,
            in_code,
        )

    return choose


def tagged(spec: AssetSpec, profile: ComputeProfile | None) -> AssetSpec:
    """Return the spec of an asset with a tag for its compute profile."""
    if profile is None:
        return spec
    with quiet():
        return spec.replace_attributes(tags={COMPUTE_TAG: profile.name, **spec.tags})


def compute_tags(profiles: Iterable[ComputeProfile | None]) -> dict[str, str]:
    """Return the tag of a step with the compute profiles of its items.

    Args:
        profiles: The profiles; several only in a step with a user's function.
    """
    names = sorted({profile.name for profile in profiles if profile is not None})
    return {COMPUTE_TAG: ",".join(names)} if names else {}


def _with_profiles(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of options that set a compute profile."""
    return {
        name: section
        for name, section in options.items()
        if isinstance(section, Mapping) and OPTION in section and name != "compute"
    }
