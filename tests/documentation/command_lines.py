"""Commands that pages show: each program, sub-command, option, `make` target and file exists."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
OURS = {
    "starlake-airflow": "ai.starlake.airflow.cli:main",
    "starlake-dagster": "ai.starlake.dagster.cli:main",
    "starlake-embedded": "ai.starlake.embedded.cli.main:starlake",
}
MODULES = {"ai.starlake.orchestration": "ai.starlake.orchestration.cli:pipelines"}
FOREIGN = {
    *("airflow", "apt-get", "cat", "cd", "cp", "curl", "dagster", "dagster-daemon", "dagster-webserver", "dg"),
    *("docker", "env", "export", "gcloud", "git", "helm", "kubectl", "ls", "mkdir", "pip", "psql", "source", "uv"),
}
"""Programs of others: their options are theirs."""
_ENVIRONMENTS = (".venv/bin/", ".venv-airflow/bin/")
"""Environments that `make` creates when it needs them."""
_ASSIGNMENT = re.compile(r"^\w+=")


def commands_of(text: str, *, prompts: bool) -> list[list[str]]:
    """Return the commands of a block as lists of arguments.

    Args:
        text: The block.
        prompts: Whether lines without a prompt are output.
    """
    text = re.sub(r"<<'?(\w+)'?\n.*?^\1$", "", text, flags=re.M | re.S)
    lines = text.replace("\\\n", " ").splitlines()
    if prompts:
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    found = []
    for line in lines:
        for part in re.split(r" && | \| ", line):
            words = shlex.split(part, comments=True)
            while words and _ASSIGNMENT.match(words[0]):
                words = words[1:]
            if words:
                found.append(words)
    return found


def loaded(place: str) -> click.Command:
    """Import a command."""
    module, _, name = place.partition(":")
    command = getattr(importlib.import_module(module), name)
    assert isinstance(command, click.Command)
    return command


def wrong_with(words: list[str]) -> str | None:
    """Return what is wrong with a command; None if nothing is known to be."""
    program = words[0]
    if program in OURS:
        return wrong_options(loaded(OURS[program]), words[1:], program)
    if program == "make":
        return wrong_target(words[1:])
    if program in ("python", "python3"):
        return wrong_python(words[1:])
    if program in FOREIGN or program.startswith(_ENVIRONMENTS) or (ROOT / program).is_file():
        return None
    return f"{program} is no program that the pages may name: add it to FOREIGN"


def wrong_options(command: click.Command, words: list[str], path: str) -> str | None:
    """Return what is wrong with the arguments of a command of ours."""
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(context, words[0])
        return (
            f"{path} has no command {words[0]}"
            if inner is None
            else wrong_options(inner, words[1:], f"{path} {words[0]}")
        )
    # not `get_params`: it makes, and keeps, a help option that does not know the settings of the group
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    asked = {word.partition("=")[0] for word in words if word.startswith("-") and not re.match(r"-\d", word)}
    unknown = asked - known - {"--help", "-h"}
    return f"{path} has no option {', '.join(sorted(unknown))}" if unknown else None


def wrong_target(words: list[str]) -> str | None:
    """Return which target of `make` there is not."""
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = [word for word in words if "=" not in word]
    unknown = [each for each in targets if not re.search(rf"^{re.escape(each)}:", text, re.M)]
    return f"the Makefile has no target {', '.join(unknown)}" if unknown else None


def wrong_python(words: list[str]) -> str | None:
    """Return what is wrong with a script or a module that Python runs."""
    if not words or words[0] == "-":
        return None
    if words[0] != "-m":
        return None if (ROOT / words[0]).is_file() else f"there is no file {words[0]}"
    if words[1] in MODULES:
        return wrong_options(loaded(MODULES[words[1]]), words[2:], words[1])
    return None if importlib.util.find_spec(words[1]) else f"there is no module {words[1]}"
