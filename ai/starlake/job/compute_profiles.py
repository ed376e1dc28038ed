"""Compute profiles: named sizes, and the rule that says which one a command has.

From the most general to the most special, where a later one takes precedence:

1. the option `compute_profile`;
2. ``compute`` in the metadata of the project: of a domain, a table or a task;
3. `compute_profile` in the section of the options that is named for the table, task or op;
4. code: the argument `compute`, or the translator;
5. `compute_profile` among the options of one run.

What a profile leaves out is as the other options of the job say.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from ai.starlake.common import StarlakeError, names_a_secret
from ai.starlake.common.written_values import json_object
from ai.starlake.job.compute_sections import (
    CloudRunCompute,
    ComputeSection,
    DataprocCompute,
    DuckDBCompute,
    ProcessCompute,
    SparkCompute,
)
from ai.starlake.job.polars_profile import PolarsProfile

COMPUTE_TAG = "starlake/compute"
"""The tag of steps and assets that names their profile."""
OPTION = "compute_profile"
_NAME = re.compile(r"[a-z](?:[a-z0-9_-]{0,29}[a-z0-9])?")
_FILES = (".yml", ".yaml", ".json")


class ComputeProfile(BaseModel):
    """Named sizes. Each executor reads its own section; nothing changes a profile.

    Args:
        name: Its name.
        spark: For Spark.
        cloud_run: For Cloud Run.
        dataproc: For Dataproc.
        process: For processes of this machine.
        duckdb: For the embedded engine.
        polars: For Polars Cloud.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    spark: SparkCompute = SparkCompute()
    cloud_run: CloudRunCompute = CloudRunCompute()
    dataproc: DataprocCompute = DataprocCompute()
    process: ProcessCompute = ProcessCompute()
    duckdb: DuckDBCompute = DuckDBCompute()
    polars: PolarsProfile | None = None

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield "name", self.name
        yield from self.sizes(*SECTIONS).items()

    def sizes(self, *sections: str) -> dict[str, str]:
        """Return the sizes that sections give, such as ``{"duckdb.threads": "2"}``.

        Args:
            *sections: The names of the sections.
        """
        found: dict[str, str] = {}
        for section in sections:
            part = getattr(self, section)
            if isinstance(part, ComputeSection):
                found.update((f"{section}.{name}", str(value)) for name, value in part.sizes.items())
        return found


class InvalidComputeError(ValueError):
    """The profiles of the option `compute` cannot be used; the message names the profile, the field and the value."""


def read_profiles(value: Any) -> Any:
    """Return the profiles of the option `compute`, by name.

    Args:
        value: A mapping, the text of a JSON object, or the path of a YAML file with one.

    Raises:
        InvalidComputeError: If they cannot be used.
    """
    given, where = _given(value)
    made: dict[str, ComputeProfile] = {}
    problems: list[str] = []
    for name, entry in given.items():
        profile, wrong = _read(name, entry)
        problems += wrong
        if profile is not None:
            made[name] = profile
    problems += _alike(made)
    if problems:
        raise InvalidComputeError("\n".join(f"{where}: {problem}" for problem in problems))
    return made


def _read(name: str, entry: Any) -> tuple[ComputeProfile | None, list[str]]:
    """Return a profile, or what is wrong with it."""
    if isinstance(entry, ComputeProfile):
        return entry, []
    try:
        return _profile(name, entry), []
    except ValidationError as error:
        return None, [_explained(name, entry, dict(problem)) for problem in error.errors(include_url=False)]
    except ValueError as error:
        return None, [f"{name}: {error}"]


def _given(value: Any) -> tuple[dict[str, Any], str]:
    where = "option compute"
    if isinstance(value, Path) or (isinstance(value, str) and value.strip().endswith(_FILES)):
        where = f"option compute: {value}"
        value = _read_file(Path(value), where)
    try:
        return json_object(value), where
    except ValueError as error:
        raise InvalidComputeError(f"{where}: {error}; it names profiles, such as {{small: {{...}}}}") from None


def _read_file(path: Path, where: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.expanduser().read_text("utf-8")) or {}
    except OSError as error:
        raise InvalidComputeError(f"{where} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InvalidComputeError(f"{where} is not in UTF-8: byte {error.start + 1} cannot be decoded") from None
    except yaml.YAMLError as error:  # its text shows a part of the file, which may hold a secret
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark else where
        raise InvalidComputeError(f"{place} is not valid YAML: {getattr(error, 'problem', None) or ''}") from None


def _profile(name: str, entry: Any) -> ComputeProfile:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "it cannot be the name of a profile; use at most 31 lower-case letters, digits, - and _, the first a letter"
        )
    if entry is not None and not isinstance(entry, Mapping):
        raise ValueError(f"{entry!r} is not a profile; write its sections, such as {{duckdb: {{threads: 2}}}}")
    sections = {section: value for section, value in dict(entry or {}).items() if value is not None}
    if "name" in sections:
        raise ValueError(f"name is not a section of a profile; use {', '.join(SECTIONS)}")
    return ComputeProfile.model_validate({**sections, "name": name})


def _explained(name: str, entry: Any, problem: dict[str, Any]) -> str:
    path = [str(part) for part in problem["loc"]]
    field = ".".join((name, *path))
    if problem["type"] == "extra_forbidden":
        known = _fields_at(path[:-1])
        near = _nearest(path[-1], known)
        return f"{field} is not known; {f'did you mean {near}?' if near else 'use ' + ', '.join(known)}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    value = problem.get("input", entry)
    shown = f"a value of type {type(value).__name__}" if _may_hold_secrets(path) else repr(value)
    return f"{field}: {shown} is not accepted: {message[:1].lower()}{message[1:]}"


def _may_hold_secrets(path: Iterable[str]) -> bool:
    return any(part == "env_vars" or names_a_secret(part) for part in path)


def _fields_at(path: Iterable[str]) -> list[str]:
    model: Any = ComputeProfile
    for part in path:
        annotation = model.model_fields[part].annotation
        options = (annotation, *getattr(annotation, "__args__", ()))
        model = next(each for each in options if isinstance(each, type) and issubclass(each, BaseModel))
    return [field for field in model.model_fields if field != "name"]


def _alike(profiles: Iterable[str]) -> list[str]:
    """Return what is wrong with names that become one in those of clusters and jobs, which have no underscores."""
    taken: dict[str, str] = {}
    problems = []
    for name in profiles:
        other = taken.setdefault(name.replace("_", "-"), name)
        if other != name:
            problems.append(f"{other} and {name} differ by - and _ only; rename one")
    return problems


SECTIONS = tuple(name for name in ComputeProfile.model_fields if name != "name")
"""The names of the sections."""

ComputeOption = Annotated[dict[str, ComputeProfile], BeforeValidator(read_profiles)]


@dataclass(frozen=True)
class ComputeChoice:
    """A profile that somebody chose.

    Args:
        name: The profile.
        where: Where the choice stands, for errors: an option, a file with its line, an argument.
        portable: Whether it may be made where there are no profiles at all: a project is used in many places.
    """

    name: str
    where: str
    portable: bool = False


def chosen_profile(profiles: Mapping[str, ComputeProfile], *choices: ComputeChoice | None) -> ComputeProfile | None:
    """Return the profile of the last choice; None where nobody chose one.

    Args:
        profiles: The profiles of the option `compute`.
        *choices: The choices, a more special one after a more general one; None for none. A portable one is a profile
            without sizes where there are no profiles at all.

    Raises:
        StarlakeError: If a chosen profile does not exist, even if another one takes precedence.
    """
    made = [choice for choice in choices if choice is not None]
    found = [_found(choice, profiles) for choice in made]
    return found[-1] if found else None


def _found(choice: ComputeChoice, profiles: Mapping[str, ComputeProfile]) -> ComputeProfile:
    if choice.name in profiles:
        return profiles[choice.name]
    if choice.portable and not profiles and _NAME.fullmatch(choice.name):
        return ComputeProfile(name=choice.name)
    raise _unknown(choice, profiles)


def section_choice(options: Mapping[str, Any], names: Iterable[str]) -> ComputeChoice | None:
    """Return the choice in the sections of options that are named for a table, task or op.

    Args:
        options: The options of a job, sections included.
        names: The names that its section may have, the most special one last.
    """
    found = None
    for name in names:
        section = options.get(name)
        if isinstance(section, Mapping) and section.get(OPTION) is not None:
            found = ComputeChoice(str(section[OPTION]), f"option {OPTION} in the section {name!r} of the options")
    return found


def run_choice(name: str | None) -> ComputeChoice | None:
    """Return the choice among the options of one run."""
    return ComputeChoice(name, f"option {OPTION} of the run") if name else None


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)), None)


def _unknown(choice: ComputeChoice, profiles: Mapping[str, ComputeProfile]) -> StarlakeError:
    near = _nearest(choice.name, profiles)
    known = f"option compute has {', '.join(profiles)}" if profiles else "option compute has no profiles"
    fix = f"did you mean {near}?" if near else f"add {choice.name} to option compute, or name one that it has"
    return StarlakeError(f"{choice.where}: there is no compute profile {choice.name!r}", cause=known, fix=fix)
