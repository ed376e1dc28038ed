"""One Starlake command, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import EnvironmentValue
from ai.starlake.common.written_values import NotAPairError, comma_pairs

if TYPE_CHECKING:
    from ai.starlake.job.compute_profiles import ComputeProfile

_UNFIT = {
    ",": "a comma",
    '"': "a quote",
    "'": "a quote",
    "\n": "a line break",
    "\r": "a line break",
    "\0": "a null character",
}

VERBS_THAT_WRITE = frozenset({"load", "transform", "job", "replay"})


@dataclass(frozen=True)
class StarlakeCommand(Sequence[str]):
    """A verb with its arguments. Immutable: every attempt runs the same command.

    It is also the sequence of strings of the command line, verb first, so that code for lists of arguments accepts it.

    Args:
        verb: The verb, such as ``load``.
        arguments: The arguments after the verb, without ``--options``.
        options: The substitutions for ``--options k=v,...``.
        environment: Its environment variables; secrets as references only.
        compute: Its compute profile; None without one.
    """

    verb: str
    arguments: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, EnvironmentValue] = field(default_factory=dict, repr=False)
    compute: ComputeProfile | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for text in (self.verb, *self.arguments):
            if not isinstance(text, str) or "\0" in text:
                raise StarlakeError(f"{text!r} cannot be an argument of `starlake {self.verb}`")
            if not text.isascii():
                check_encodable(text, f"argument {text!a} of `starlake {ascii(self.verb)[1:-1]}`")
        for name, value in self.options.items():
            check_option(name, value)
        object.__setattr__(self, "options", _frozen(self.options))
        object.__setattr__(self, "environment", _frozen(self.environment))

    @classmethod
    def of(cls, arguments: Sequence[str]) -> StarlakeCommand:
        """Return the command of a list of arguments, verb first; a command is returned unchanged.

        Args:
            arguments: The command, verb first, each argument a string of its own.

        Raises:
            StarlakeError: If the list is empty or its ``--options`` cannot be read.
        """
        if isinstance(arguments, StarlakeCommand):
            return arguments
        if isinstance(arguments, str) or not arguments:
            raise StarlakeError(
                f"{arguments!r} is not a list of arguments", fix='pass a list such as ["load", "--domains", "sales"]'
            )
        verb, *rest = map(str, arguments)
        plain: list[str] = []
        options: dict[str, str] = {}
        texts = iter(rest)
        for text in texts:
            if text == "--options":
                options.update(parse_options(_value_of_options(texts, verb)))
            elif text.startswith("--options="):
                options.update(parse_options(text.partition("=")[2]))
            else:
                plain.append(text)
        return cls(verb, tuple(plain), options)

    @property
    def argv(self) -> tuple[str, ...]:
        """All strings of the command line, verb first."""
        pairs = ",".join(f"{name}={value}" for name, value in self.options.items())
        return (self.verb, *self.arguments, *(("--options", pairs) if pairs else ()))

    @property
    def writes(self) -> bool:
        """True if the command writes to the database of the project."""
        return self.verb in VERBS_THAT_WRITE

    def value_of(self, flag: str) -> str | None:
        """Return the value of a flag such as ``--domains``; None if it is absent.

        Args:
            flag: The flag with its hyphens.
        """
        for position, text in enumerate(self.arguments):
            if text == flag and position + 1 < len(self.arguments):
                return self.arguments[position + 1]
            if text.startswith(f"{flag}="):
                return text.partition("=")[2]
        return None

    def with_arguments(self, *arguments: str) -> StarlakeCommand:
        """Return this command with more arguments.

        Args:
            *arguments: Arguments to append.
        """
        return replace(self, arguments=(*self.arguments, *arguments))

    def with_options(self, options: Mapping[str, str]) -> StarlakeCommand:
        """Return this command with more options; they take precedence over its own.

        Args:
            options: Substitutions, passed as ``--options name=value,...``.
        """
        return replace(self, options={**self.options, **options}) if options else self

    def with_environment(self, environment: Mapping[str, EnvironmentValue]) -> StarlakeCommand:
        """Return this command with a larger environment; the command's own values take precedence.

        Args:
            environment: Strings or secret references by name.
        """
        merged = {**environment, **self.environment} if self.environment else environment
        return self if merged is self.environment else self._with("environment", _frozen(merged))

    def with_compute(self, compute: ComputeProfile | None) -> StarlakeCommand:
        """Return this command with another compute profile.

        Args:
            compute: The profile; None for the sizes of the options.
        """
        return self if compute == self.compute else self._with("compute", compute)

    def _with(self, name: str, value: Any) -> StarlakeCommand:
        """Return this command with another field, without validation: there may be thousands of commands."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, **{name: value})
        return made

    def __hash__(self) -> int:
        return hash((self.verb, self.arguments, tuple(self.options.items())))

    def __len__(self) -> int:
        return len(self.argv)

    def __iter__(self) -> Iterator[str]:
        return iter(self.argv)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self.argv[index]

    def __deepcopy__(self, memo: dict[int, object]) -> StarlakeCommand:
        """Return this command itself, since it is immutable: orchestrators copy their tasks with all that they hold."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        given = (self.verb, self.arguments, dict(self.options), dict(self.environment), self.compute)
        return StarlakeCommand, given


def _value_of_options(following: Iterator[str], verb: str) -> str:
    value = next(following, None)
    if value is None or value.startswith("--"):
        raise StarlakeError(
            f"--options of `starlake {verb}` has no value",
            cause="it is the last argument" if value is None else f"{value} follows it",
            fix="write --options name=value,name=value; a domain or a table cannot be called --options",
        )
    return value


def check_encodable(text: str, culprit: str) -> None:
    """Check that the system can pass a string to a process.

    Args:
        text: The string.
        culprit: The culprit of the error; the string itself may be a secret.

    Raises:
        StarlakeError: If it contains half of a surrogate pair, which cannot be encoded.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StarlakeError(
            f"{culprit} cannot be passed to a process",
            cause=f"character {error.start + 1} is half of a surrogate pair, which UTF-8 cannot encode",
            fix="replace that character; it usually comes from a file name or a file that is not in UTF-8",
        ) from None


_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _frozen(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a read-only mapping. One that is read-only already is shared: a job may have thousands of commands."""
    if not mapping:
        return _NOTHING
    return mapping if isinstance(mapping, MappingProxyType) else MappingProxyType(dict(mapping))


def parse_options(text: str) -> dict[str, str]:
    """Return the options in a string such as ``k=v,k=v``; see `comma_pairs`.

    Raises:
        StarlakeError: If an item has no ``=``.
    """
    try:
        return comma_pairs(text)
    except NotAPairError as error:
        raise StarlakeError(
            f"{error.item!r} in the options {text!r} is not of the form name=value",
            cause="Starlake splits options at every comma, and a value cannot be quoted",
            fix="write name=value; put a value with a comma into sl_env_var, which SQL and YAML files read too",
        ) from None


def option_text(name: str, value: Any) -> str:
    """Return the value of an option in the form that SQL and YAML use: ``null``, ``true``, ``2026-03-01``.

    Args:
        name: The option, for the error message.
        value: A string, a number, a boolean, a date or None.

    Raises:
        StarlakeError: If it is anything else, such as a list.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (str, int, float, Decimal)):
        return str(value)
    raise StarlakeError(
        f"option {name!r} is {value!r}, a {type(value).__name__}",
        cause="an option of a command is a single value",
        fix="write a string, a number, true, false or null",
    )


def check_option(name: str, value: str) -> None:
    """Check that ``--options`` passes a value unchanged.

    Raises:
        StarlakeError: If it does not.
    """
    check_encodable(name + value, f"option {name!a}")
    unfit = next((what for character, what in _UNFIT.items() if character in value or character in name), None)
    if unfit is None and name and "=" not in name:
        return
    raise StarlakeError(
        f"option {name!r} cannot be passed to Starlake on its command line",
        cause=f"it has {unfit or 'a name that is empty or holds ='}, and the syntax of --options has no quoting",
        fix=f"put it into sl_env_var: SQL and YAML files read it as {{{{{name}}}}} all the same",
    )
