"""Choices of compute profiles: the rule that selects the profile of a command.

From the most general to the most specific, where a later one takes precedence:

1. the option `compute_profile`;
2. ``compute`` in the metadata of the project: of a domain, a table or a task;
3. `compute_profile` in the section of the options that is named for the table, task or op;
4. code: the argument `compute`, or the translator;
5. `compute_profile` among the options of one run.

The other options of the job supply what a profile leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.job.names import PROFILE_NAME, nearest_name

if TYPE_CHECKING:
    from ai.starlake.job.compute_profiles import ComputeProfile

COMPUTE_TAG = "starlake/compute"
"""Tag of steps and assets with the name of their profile."""
OPTION = "compute_profile"


@dataclass(frozen=True)
class ComputeChoice:
    """A chosen profile.

    Args:
        name: The profile.
        where: Place of the choice, for errors: an option, a file with its line, an argument.
        portable: True if it is ignored if there are no profiles at all: a project is used in many places.
    """

    name: str
    where: str
    portable: bool = False


def chosen_profile(profiles: Mapping[str, ComputeProfile], *choices: ComputeChoice | None) -> ComputeProfile | None:
    """Return the profile of the last choice; None without choices.

    Args:
        profiles: The profiles of the option `compute`.
        *choices: The choices, from the most general to the most specific; None for no choice. A portable one is a
            profile without sizes if there are no profiles at all.

    Raises:
        StarlakeError: If a chosen profile does not exist, even if another one takes precedence.
    """
    made = [choice for choice in choices if choice is not None]
    found = [_found(choice, profiles) for choice in made]
    return found[-1] if found else None


def _found(choice: ComputeChoice, profiles: Mapping[str, ComputeProfile]) -> ComputeProfile:
    if choice.name in profiles:
        return profiles[choice.name]
    if choice.portable and not profiles and PROFILE_NAME.fullmatch(choice.name):
        from ai.starlake.job.compute_profiles import ComputeProfile

        return ComputeProfile(name=choice.name)
    raise _unknown(choice, profiles)


def section_choice(options: Mapping[str, Any], names: Iterable[str]) -> ComputeChoice | None:
    """Return the choice in the sections of options for a table, task or op.

    Args:
        options: The options of a job, sections included.
        names: The names that its section may have, the most specific one last.
    """
    found = None
    for name in names:
        section = options.get(name)
        if isinstance(section, Mapping) and section.get(OPTION) is not None:
            found = ComputeChoice(str(section[OPTION]), f"option {OPTION} in the section {name!r} of the options")
    return found


def run_choice(name: str | None) -> ComputeChoice | None:
    """Return the choice in the options of one run."""
    return ComputeChoice(name, f"option {OPTION} of the run") if name else None


def _unknown(choice: ComputeChoice, profiles: Mapping[str, ComputeProfile]) -> StarlakeError:
    near = nearest_name(choice.name, profiles)
    known = f"option compute has {', '.join(profiles)}" if profiles else "option compute has no profiles"
    fix = f"did you mean {near}?" if near else f"add {choice.name} to option compute, or name one that it has"
    return StarlakeError(f"{choice.where}: there is no compute profile {choice.name!r}", cause=known, fix=fix)
