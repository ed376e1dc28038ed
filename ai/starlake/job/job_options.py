"""The options of a job: typed, and validated once, when the job is created."""

from __future__ import annotations

import difflib
import functools
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo

from ai.starlake.common import MissingEnvironmentVariable, StarlakeError, mask_named_values, names_a_secret, zone_of
from ai.starlake.common.rejects import RejectLimit
from ai.starlake.common.secrets import EnvironmentValue, SecretReference, environment_value
from ai.starlake.common.storage import Files
from ai.starlake.common.written_values import json_object
from ai.starlake.job.cli_versions import StarlakeCli
from ai.starlake.job.compute_choices import ComputeChoice, chosen_profile
from ai.starlake.job.names import InvalidComputeError
from ai.starlake.job.pre_load_strategy import StarlakePreLoadStrategy

if TYPE_CHECKING:
    from ai.starlake.job.compute_profiles import ComputeProfile

    Profiles = dict[str, ComputeProfile]
else:
    Profiles = dict

OptionsT = TypeVar("OptionsT", bound="JobOptions")


class StarlakeOptionWarning(UserWarning):
    """An option was given that nothing reads."""


class StarlakeOptions:
    """Access to single options by name."""

    @staticmethod
    def get_context_var(var_name: str, default_value: Any = None, options: Mapping[str, Any] | None = None) -> Any:
        """Return the value of an option: from the options, the environment, or the default.

        Only names in upper case are read from the environment. ``0``, ``False`` and ``''`` are values.

        Args:
            var_name: The name of the option.
            default_value: The value if it is not found. If this is a string, the result is always a string, as
                generated DAG files expect: ``True`` becomes ``'True'``.
            options: The options of the job.

        Raises:
            MissingEnvironmentVariable: If it is not found and has no default.
        """
        value = (options or {}).get(var_name)
        if value is None and var_name.isupper():
            value = os.environ.get(var_name)
        if value is None:
            value = default_value
        if value is None:
            raise MissingEnvironmentVariable(var_name)
        return str(value) if isinstance(default_value, str) else value


def _read_environment(value: Any) -> Any:
    return {name: environment_value(name, entry) for name, entry in json_object(value).items()}


def _read_zone(value: Any) -> Any:
    try:
        zone_of(str(value))
    except StarlakeError as error:
        raise ValueError(str(error)) from None
    return str(value)


def _read_compute(value: Any) -> Any:
    from ai.starlake.job.compute_profiles import (
        read_profiles,
    )  # their models take longer to import than all other models

    return read_profiles(value)


EnvironmentOption = Annotated[dict[str, Any], BeforeValidator(_read_environment)]
StrategyOption = Annotated[StarlakePreLoadStrategy, BeforeValidator(StarlakePreLoadStrategy.of)]
CliOption = Annotated[StarlakeCli, BeforeValidator(StarlakeCli.of)]
ZoneOption = Annotated[str, BeforeValidator(_read_zone)]
ComputeOption = Annotated[Profiles, BeforeValidator(_read_compute)]
LimitOption = Annotated[InstanceOf[RejectLimit], BeforeValidator(RejectLimit.of)]
AssetKeyStyle = Literal["id", "path"]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class JobOptions(BaseModel):
    """The options of every job. A job class adds its own by a subclass of this model.

    The descriptions of the fields are shown in the options reference.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", arbitrary_types_allowed=True, coerce_numbers_to_str=True, defer_build=True
    )

    unread_options: ClassVar[frozenset[str]] = frozenset()
    """Names that users may give although nothing reads them. A subclass adds its own."""

    sl_env_var: EnvironmentOption = Field(
        default={},
        repr=False,
        description="environment variables of Starlake, as the text of a JSON object; secrets by reference",
    )
    pre_load_strategy: StrategyOption = Field(
        default=StarlakePreLoadStrategy.NONE, description="`none`, `imported`, `pending` or `ack`"
    )
    incoming_path: str | None = Field(
        default=None,
        description="the landing area, in which each domain has a folder of its name; when unset, the `directory` of "
        "the domain in the project counts",
    )
    pending_path: str | None = Field(
        default=None,
        description="the pending area, in which each domain has a folder of its name; when unset, the project's stage "
        "area and `{SL_DATASETS}/pending` count",
    )
    global_ack_file_path: str = Field(
        default="{SL_DATASETS}/pending/{domain}/{{ds}}.ack",
        description="the ack file; `{{ds}}` is the logical date of the run, `{domain}` the domain",
    )
    ack_wait_timeout: Seconds = Field(default=3600, description="seconds to wait for the ack file")
    ack_poll_interval: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=10, description="seconds between two checks for the ack file"
    )
    pre_load_sensor: bool = Field(
        default=False, description="let a pre-load check wait until there is something to load"
    )
    pre_load_poke_interval: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=300, description="seconds between two checks of a waiting pre-load check"
    )
    pre_load_timeout: Seconds = Field(default=3600, description="seconds until a waiting pre-load check fails")
    pre_load_sensor_soft_fail: bool = Field(
        default=False, description="skip the loads after `pre_load_timeout` instead of failing"
    )
    pre_load_check: Literal["files", "command"] = Field(
        default="files", description="look for files ourselves, or ask `starlake preload` (Starlake 1.5.15 or higher)"
    )
    pre_load_not_ready_sentinel_path: str | None = Field(
        default=None, description="folder in which `starlake preload` says 'not ready'; by default a temporary one"
    )
    starlake_version: CliOption = Field(
        default=StarlakeCli(),
        description="the version of the `starlake` command, such as `1.3.0`; the current one by default",
    )
    retries: Annotated[int, Field(ge=0)] = Field(default=0, description="number of retries of a failed command")
    retry_delay: Seconds = Field(
        default=300, description="seconds to wait before the first retry; doubled each time, with jitter"
    )
    pool: str | None = Field(
        default=None, description="the pool whose slots steps that run commands take, to limit how many run at once"
    )
    max_rejected: LimitOption | None = Field(
        default=None,
        description="number or percentage of rows that a load may reject before its step fails, such as `5` or `10%`; "
        "by default a file of which all rows are rejected fails it",
    )
    timezone: ZoneOption = Field(
        default="UTC",
        validation_alias=AliasChoices("timezone", "SL_TIMEZONE"),
        description="the time zone of cron expressions, and of dates without one; generated files set `SL_TIMEZONE`",
    )
    tags: str = Field(default="", description="tags of the jobs, separated by blanks")
    asset_key_style: AssetKeyStyle = Field(
        default="id",
        description="the asset keys of ops: `id` for `domain_table`, `path` for `domain/table`, as assets have them",
    )
    event_log_lines: Literal["important", "all"] = Field(
        default="important",
        description="lines of a command's output that also go to the event log: warnings and errors, or all",
    )
    duckdb_lock: str = Field(
        default="auto",
        description="one writer at a time on a DuckDB file: `auto` (a lock beside it; the embedded engine needs none), "
        "`off`, or the path of a lock",
    )
    duckdb_lock_timeout: Seconds = Field(default=3600, description="seconds to wait for another writer")
    spark_executor_memory: str = Field(default="11g", description="memory per Spark executor")
    spark_executor_cores: Annotated[int, Field(gt=0)] = Field(default=4, description="cores per Spark executor")
    spark_executor_instances: Annotated[int, Field(gt=0)] = Field(default=1, description="number of Spark executors")
    compute: ComputeOption = Field(
        default={},
        description="named sizes of what commands run on, as a mapping, the text of a JSON object, or the path of a "
        "YAML file (docs/compute.md)",
    )
    compute_profile: str | None = Field(
        default=None, description="the profile of `compute` that commands have; by default none"
    )

    @classmethod
    def read(cls: type[OptionsT], options: Mapping[str, Any], *, warn: bool = True) -> OptionsT:
        """Return the options of a job, completed from the environment and the defaults.

        Args:
            options: The user's options; None means not given. Mappings under names that are not options are the options
                of single tasks.
            warn: True to warn about names that nothing reads.

        Raises:
            StarlakeError: If a value is of the wrong type; all such options are named, with their accepted values.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if warn:
            cls._warn_of_unknown(given)
        names = [field.alias or name for name, field in cls.model_fields.items()]
        from_environment = {name: os.environ[name] for name in names if name.isupper() and name in os.environ}
        read = _validated(cls, cls._completed({**from_environment, **given}))
        cls._check(read)
        return read

    @classmethod
    def over(cls: type[OptionsT], options: Mapping[str, Any] | JobOptions | None, **changes: Any) -> OptionsT:
        """Return options with some values replaced.

        Args:
            options: The options: those of a job, already validated, or those of a user.
            **changes: The values; None leaves the option as it is.

        Raises:
            StarlakeError: If a value is of the wrong type.
        """
        changed = {name: value for name, value in changes.items() if value is not None}
        if not isinstance(options, cls):
            return cls.read({**dict(options or {}), **changed}, warn=False)
        if not changed:
            return options
        given = {name: getattr(options, name) for name in options.model_fields_set}
        return _validated(type(options), {**given, **changed})

    @classmethod
    def _completed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return the given options, with those that follow from others or from the environment."""
        return given

    def _check(self) -> None:
        """Check the options that depend on each other.

        Raises:
            StarlakeError: If they contradict each other.
        """
        chosen_profile(self.compute, self.default_compute)

    @classmethod
    def _warn_of_unknown(cls, given: Mapping[str, Any]) -> None:
        names = {str(each) for name, field in cls.model_fields.items() for each in _spellings(name, field)}
        unread = {name for model in cls.__mro__ for name in vars(model).get("unread_options", ())}
        of_tasks = {name for name, value in given.items() if isinstance(value, Mapping)} - names
        for name in sorted(set(given) - names - of_tasks - unread):
            _warn_of(name, names)

    @property
    def environment(self) -> Mapping[str, EnvironmentValue]:
        """Environment variables of Starlake; secrets as references."""
        return self.sl_env_var

    @property
    def default_compute(self) -> ComputeChoice | None:
        """Profile of commands without a chosen profile; None without a profile."""
        return ComputeChoice(self.compute_profile, "option compute_profile") if self.compute_profile else None

    @property
    def secrets_of_profiles(self) -> Iterator[SecretReference]:
        """References to secrets in the compute profiles; commands receive them in their environment."""
        for profile in self.compute.values():
            values = profile.polars.environment().values() if profile.polars else ()
            yield from (value for value in values if not isinstance(value, str))

    @property
    def prestarts(self) -> bool:
        """True if the executor can start ahead of a command what it needs."""
        return False

    @cached_property
    def files(self) -> Files:
        """The file layer of the job."""
        return Files()

    def project_variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the variables with which a step reads the project of its command.

        Args:
            environment: The variables of the command.
        """
        return dict(environment)


@functools.cache
def composed(*models: type[JobOptions]) -> type[JobOptions]:
    """Return a model with the options of several models, so that all are validated together."""
    needed = [model for model in models if not any(other is not model and issubclass(other, model) for other in models)]
    bases = tuple(dict.fromkeys(needed))
    return bases[0] if len(bases) == 1 else create_model("".join(base.__name__ for base in bases), __base__=bases)


def _validated(model: type[OptionsT], given: dict[str, Any]) -> OptionsT:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise StarlakeError("\n".join(_explain(model, given, problem) for problem in error.errors())) from None


def _warn_of(name: str, names: Iterable[str]) -> None:
    near = difflib.get_close_matches(name.lower(), [known.lower() for known in names], n=1, cutoff=0.6)
    spelled = {known.lower(): known for known in names}
    hint = f"; did you mean {spelled[near[0]]}?" if near else ""
    warnings.warn(f"option {name} is not known and is ignored{hint}", StarlakeOptionWarning, stacklevel=2)


def _explain(model: type[JobOptions], given: Mapping[str, Any], problem: Any) -> str:
    name = str(problem["loc"][0])
    value = given.get(name, os.environ.get(name))
    described = next((f.description for n, f in model.model_fields.items() if name in _spellings(n, f)), "")
    if problem["type"] == "missing":
        return f"option {name} is required\nIt is: {described}"
    error = problem.get("ctx", {}).get("error")
    if isinstance(error, InvalidComputeError):
        return str(error)
    reason = problem["msg"].removeprefix("Value error, ")
    shown = f"a value of type {type(value).__name__}" if _may_hold_secrets(name) else _shown(value)
    return f"option {name}: {shown} is not accepted: {reason}\nIt is: {described}"


def _may_hold_secrets(name: str) -> bool:
    return name == "sl_env_var" or names_a_secret(name)


def _shown(value: Any) -> str:
    return mask_named_values(repr(value) if isinstance(value, str) else json.dumps(value, default=repr))


def _spellings(name: str, field: FieldInfo) -> set[object]:
    """All names of an option."""
    others = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else [field.alias]
    return {name, *(each for each in others if each is not None)}
