from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.job import EnvironmentReference, StarlakeCommand
from ai.starlake.job.command import parse_options

TEXT = st.text(st.characters(exclude_characters=",\"'\n\r\0", exclude_categories=("Cs",)))
NAMES = st.text(st.characters(exclude_characters=",\"'\n\r\0=", exclude_categories=("Cs",)), min_size=1).filter(
    lambda name: name == name.strip()
)
OPTIONS = st.dictionaries(NAMES, TEXT, max_size=5)


@given(OPTIONS)
def test_options_come_out_of_the_command_line_as_they_went_in(options: dict[str, str]) -> None:
    argv = StarlakeCommand("transform", ("--name", "a.b"), options).argv
    assert dict(StarlakeCommand.of(argv).options) == options
    assert (parse_options(argv[argv.index("--options") + 1]) if options else {}) == options


@given(OPTIONS, OPTIONS)
def test_added_options_count_more(first: dict[str, str], second: dict[str, str]) -> None:
    assert dict(StarlakeCommand("load", (), first).with_options(second).options) == {**first, **second}


@given(OPTIONS)
def test_a_command_crosses_from_one_process_to_another(options: dict[str, str]) -> None:
    command = StarlakeCommand("load", ("--domains", "a"), options, {"TOKEN": EnvironmentReference("T")})
    copy = pickle.loads(pickle.dumps(command))
    assert copy == command
    assert hash(copy) == hash(command)


@pytest.mark.parametrize("value", ["a,b", 'say "hi"', "it's", "two\nlines", "two\rlines", "nul\0"])
@pytest.mark.parametrize("part", ["name", "value"])
def test_what_the_syntax_of_options_cannot_carry_is_refused(value: str, part: str) -> None:
    options = {"filter": value} if part == "value" else {value: "x"}
    with pytest.raises(StarlakeError, match="cannot be passed to Starlake") as caught:
        StarlakeCommand("transform", (), options)
    assert "sl_env_var" in str(caught.value)


@pytest.mark.parametrize("name", ["", "a=b"])
def test_a_name_that_the_syntax_of_options_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(StarlakeError, match="cannot be passed"):
        StarlakeCommand("transform", (), {name: "x"})


@pytest.mark.parametrize("argument", ["a\0b", 5, None])
def test_what_cannot_be_an_argument_is_refused(argument: object) -> None:
    with pytest.raises(StarlakeError, match="cannot be an argument"):
        StarlakeCommand("load", ("--domains", argument))  # type: ignore[arg-type]


def test_a_command_is_the_list_of_its_arguments() -> None:
    command = StarlakeCommand("load", ("--domains", "a", "--tables", "b"), {"x": "1", "y": "a=b"})
    assert isinstance(command, Sequence)
    assert list(command) == ["load", "--domains", "a", "--tables", "b", "--options", "x=1,y=a=b"]
    assert (command[0], command[1:3], len(command)) == ("load", ("--domains", "a"), 7)
    assert command.argv == tuple(command)


def test_a_command_never_changes() -> None:
    options, environment = {"x": "1"}, {"E": "1"}
    command = StarlakeCommand("load", ("--domains", "a"), options, environment)
    options["x"], environment["E"] = "2", "2"
    assert (command.options["x"], command.environment["E"]) == ("1", "1")
    with pytest.raises(TypeError):
        command.options["x"] = "2"  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        command.verb = "transform"  # type: ignore[misc]
    longer = command.with_arguments("--tables", "b").with_options({"z": "3"}).with_environment({"F": "1"})
    assert (command.arguments, dict(command.options), dict(command.environment)) == (
        ("--domains", "a"),
        {"x": "1"},
        {"E": "1"},
    )
    assert longer.arguments == ("--domains", "a", "--tables", "b")


def test_the_environment_of_a_command_counts_more_than_that_of_its_job() -> None:
    command = StarlakeCommand("load", environment={"A": "own"}).with_environment({"A": "job", "B": "job"})
    assert dict(command.environment) == {"A": "own", "B": "job"}


def test_the_environment_is_not_shown() -> None:
    assert "hunter2" not in repr(StarlakeCommand("load", environment={"PASSWORD": "hunter2"}))


@pytest.mark.parametrize(
    ("arguments", "plain", "options"),
    [
        (["load"], (), {}),
        (["load", "--options", "a=1"], (), {"a": "1"}),
        (["load", "--options=a=1,b=2", "--tables", "t"], ("--tables", "t"), {"a": "1", "b": "2"}),
        (["load", "--options", "a=1", "--options", "b=2"], (), {"a": "1", "b": "2"}),
        (["load", "--options", "SL_ROOT=/p,"], (), {"SL_ROOT": "/p"}),
        (["load", "--options", ""], (), {}),
    ],
)
def test_a_list_of_arguments_is_read(arguments: list[str], plain: tuple[str, ...], options: dict[str, str]) -> None:
    before = list(arguments)
    command = StarlakeCommand.of(arguments)
    assert (command.verb, command.arguments, dict(command.options)) == ("load", plain, options)
    assert arguments == before


@pytest.mark.parametrize("rest", [["--options"], ["--tables", "--options"], ["--options", "--tables", "t"]])
def test_options_without_a_value_are_refused(rest: list[str]) -> None:
    with pytest.raises(StarlakeError, match=r"--options of `starlake load` has no value"):
        StarlakeCommand.of(["load", *rest])


@pytest.mark.parametrize(
    "make",
    [
        lambda text: StarlakeCommand("load", ("--tables", text)),
        lambda text: StarlakeCommand("load", options={"a": text}),
        lambda text: StarlakeCommand("load", options={text: "a"}),
        StarlakeCommand,
    ],
)
@pytest.mark.parametrize("text", ["\ud800", "a\udc80b"])
def test_half_of_a_surrogate_pair_is_refused(make: Callable[[str], object], text: str) -> None:
    with pytest.raises(StarlakeError, match="half of a surrogate pair") as caught:
        make(text)
    str(caught.value).encode()


def test_a_command_is_taken_as_it_is() -> None:
    command = StarlakeCommand("load")
    assert StarlakeCommand.of(command) is command


@pytest.mark.parametrize("arguments", [[], (), "load --domains a"])
def test_what_is_no_list_of_arguments_is_refused(arguments: Sequence[str]) -> None:
    with pytest.raises(StarlakeError, match="not a list of arguments"):
        StarlakeCommand.of(arguments)


@pytest.mark.parametrize("text", ["a", "a=1,b", "=1", " =1"])
def test_an_option_without_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(StarlakeError, match="name=value"):
        parse_options(text)


def test_an_option_is_split_at_its_first_equals_sign() -> None:
    assert parse_options("filter=a=b, limit=1 ,empty=") == {"filter": "a=b", "limit": "1 ", "empty": ""}


@pytest.mark.parametrize(
    ("flag", "value"), [("--domains", "a"), ("--tables", "b,c"), ("--name", None), ("--last", None)]
)
def test_the_value_of_a_flag(flag: str, value: str | None) -> None:
    command = StarlakeCommand("load", ("--domains", "a", "--tables=b,c", "--last"))
    assert command.value_of(flag) == value


@pytest.mark.parametrize(
    ("verb", "writes"), [("load", True), ("transform", True), ("stage", False), ("preload", False)]
)
def test_commands_that_write_are_known(verb: str, writes: bool) -> None:
    assert StarlakeCommand(verb).writes is writes
