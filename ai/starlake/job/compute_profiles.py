"""Compute profiles: named sizes. The other options of the job supply what a profile leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ai.starlake.common import names_a_secret
from ai.starlake.common.written_values import json_object
from ai.starlake.job.compute_sections import (
    CloudRunCompute,
    ComputeSection,
    DataprocCompute,
    DuckDBCompute,
    ProcessCompute,
    SparkCompute,
)
from ai.starlake.job.names import PROFILE_NAME, InvalidComputeError, nearest_name
from ai.starlake.job.polars_profile import PolarsProfile

_FILES = (".yml", ".yaml", ".json")


class ComputeProfile(BaseModel):
    """Named sizes. Each executor reads its own section. Immutable.

    Args:
        name: Its name.
        spark: For Spark.
        cloud_run: For Cloud Run.
        dataproc: For Dataproc.
        process: For processes on this machine.
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
        """Return the sizes in some sections, such as ``{"duckdb.threads": "2"}``.

        Args:
            *sections: The names of the sections.
        """
        found: dict[str, str] = {}
        for section in sections:
            part = getattr(self, section)
            if isinstance(part, ComputeSection):
                found.update((f"{section}.{name}", str(value)) for name, value in part.sizes.items())
        return found


def read_profiles(value: Any) -> Any:
    """Return the profiles of the option `compute`, by name.

    Args:
        value: A mapping, a JSON object as a string, or the path of a YAML file with one.

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
    """Return a profile, or its problem."""
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
    except yaml.YAMLError as error:  # the error message shows a part of the file, which may contain a secret
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark else where
        raise InvalidComputeError(f"{place} is not valid YAML: {getattr(error, 'problem', None) or ''}") from None


def _profile(name: str, entry: Any) -> ComputeProfile:
    if not PROFILE_NAME.fullmatch(name):
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
        near = nearest_name(path[-1], known)
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
    """Return the problem of names that become equal in the names of clusters and jobs, which have no underscores."""
    taken: dict[str, str] = {}
    problems = []
    for name in profiles:
        other = taken.setdefault(name.replace("_", "-"), name)
        if other != name:
            problems.append(f"{other} and {name} differ by - and _ only; rename one")
    return problems


SECTIONS = tuple(name for name in ComputeProfile.model_fields if name != "name")
"""The names of the sections."""
