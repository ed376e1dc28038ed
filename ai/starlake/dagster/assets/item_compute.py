"""The compute profiles of tables and tasks: which one the command of each has, and how assets show it."""

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
    """Return what finds the compute profile of an item; see `ai.starlake.job.compute_profiles` for the precedence.

    Args:
        translated: The project, and what the translator says.
        sl_job: The options, and the sections among them.
        in_code: The profile that code names for all items.

    Raises:
        StarlakeError: If a section of the options is nearly named as a table or task.
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
    """Return the spec of an asset with a tag that names the compute profile of what makes it."""
    if profile is None:
        return spec
    with quiet():
        return spec.replace_attributes(tags={COMPUTE_TAG: profile.name, **spec.tags})


def compute_tags(profiles: Iterable[ComputeProfile | None]) -> dict[str, str]:
    """Return the tag of a step that names the compute profiles of its items.

    Args:
        profiles: The profiles; several only in a step whose function a user writes.
    """
    names = sorted({profile.name for profile in profiles if profile is not None})
    return {COMPUTE_TAG: ",".join(names)} if names else {}


def _with_profiles(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of options that name a compute profile."""
    return {
        name: section
        for name, section in options.items()
        if isinstance(section, Mapping) and OPTION in section and name != "compute"
    }
