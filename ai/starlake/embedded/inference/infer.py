"""``infer-schema``: create the files that load a sample and similar files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.cli.output_file import write
from ai.starlake.embedded.database.connection import open_database
from ai.starlake.embedded.inference.guesses import guesses
from ai.starlake.embedded.inference.naming import file_pattern, table_name
from ai.starlake.embedded.inference.samples import read_sample
from ai.starlake.embedded.inference.trial import Trial
from ai.starlake.embedded.scratch import scratch_folder
from ai.starlake.project import Project, Table, java_pattern
from ai.starlake.project.reading.domain_files import DomainReader

_NAME = re.compile(r"\w[\w-]*")
_JINJA = re.compile(r"\{[{%#]")


@dataclass(frozen=True)
class Request:
    """A request to infer metadata.

    Attributes:
        file: The sample.
        domain: The domain; the name of the sample's folder if empty.
        table: The table; the words of the sample's name if empty.
        folder: The folder of all domains' metadata; ``metadata/load`` if None.
        format: The format; detected if None.
        encoding: The encoding of a text file.
        write: The write strategy; Starlake's default if None.
        clean: True if existing metadata is replaced.
    """

    file: Path
    domain: str = ""
    table: str = ""
    folder: Path | None = None
    format: str | None = None
    encoding: str = "UTF-8"
    write: str | None = None
    clean: bool = False


@dataclass(frozen=True)
class Inference:
    """Result of the inference.

    Attributes:
        table: The table.
        written: The files that were written.
        rivals: Other tables of the domain whose pattern the sample's name matches, too.
        landing: The landing area of the domain; None if it has none, or if the metadata is not in the project.
    """

    table: Table
    written: tuple[Path, ...]
    rivals: tuple[str, ...]
    landing: Path | None = None


def infer_schema(project: Project, request: Request) -> Inference:
    """Write the metadata of a table, and of its domain if that is new.

    DuckDB's sniffer determines the possible types of the columns. Then the sample is loaded on trial, and every column
    gets the narrowest type whose values the engine accepts in all rows, so that a load of the sample rejects none.

    Args:
        project: The project; its types are tried, too.
        request: The sample and the target of its metadata.

    Returns:
        The files that were written, and what was found.

    Raises:
        StarlakeError: If the sample cannot be read, a name is invalid, or existing metadata may not be replaced.
    """
    domain = _name(request.domain or request.file.resolve().parent.name, "domain", "--domain")
    name = _name(request.table or table_name(request.file.name), "table", "--table")
    folder = (request.folder or project.settings.metadata / "load") / domain
    target = folder / f"{name}.sl.yml"
    if target.exists() and not request.clean:
        raise StarlakeError(f"{target} exists already", fix="say --clean to replace it, or choose another --table")
    table, data = _infer(project, request, domain, name)
    config = folder / "_config.sl.yml"
    written = [target]
    is_new = not config.exists()
    if is_new:
        directory = f"{{{{SL_INCOMING}}}}/{domain}"
        write(
            config, _yaml({"load": {"name": domain, "metadata": {"directory": "@"}}}).replace("'@'", f'"{directory}"')
        )
        written.append(config)
    write(target, _yaml({"table": data}))
    landing = _landing(project, domain, make=is_new) if request.folder is None else None
    return Inference(table, tuple(written), _rivals(project, table, request.file.name), landing)


def _landing(project: Project, domain: str, *, make: bool) -> Path | None:
    """Return the landing area of a domain, as all other commands find it; that of a new domain is created."""
    try:
        folder = project.settings.files.path(DomainReader(project.settings, {}, frozenset()).landing(domain).folder)
    except StarlakeError:
        return None
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _infer(project: Project, request: Request, domain: str, name: str) -> tuple[Table, dict[str, Any]]:
    with open_database(None) as database, scratch_folder() as scratch:
        sample = read_sample(database, request.file, request.format, request.encoding, scratch)
        data: dict[str, Any] = {
            "name": name,
            "pattern": file_pattern(request.file.name),
            "metadata": dict(sample.metadata),
        }
        if request.write:
            data["metadata"]["writeStrategy"] = {"type": request.write.upper()}
        columns = guesses(sample.columns, project.types)
        table = Trial(database, project.types, request.file, {**data, "domain": domain}, columns).run()
    data["attributes"] = [column.as_metadata() for column in columns]
    return table, data


def _name(text: str, what: str, option: str) -> str:
    if _NAME.fullmatch(text):
        return text
    raise StarlakeError(
        f"{text!r} cannot be the name of a {what}",
        cause="it names a file and a database object: letters, digits, underscores and hyphens, at least one",
        fix=f"choose a name with {option}",
    )


def _rivals(project: Project, table: Table, file_name: str) -> tuple[str, ...]:
    try:
        others = [each for domain in project.domains if domain.name == table.domain for each in domain.tables]
    except StarlakeError:
        return ()  # problems in other files of the project do not concern this command
    return tuple(
        other.full_name
        for other in others
        if other.name != table.name and java_pattern(other.pattern).fullmatch(file_name)
    )


def _yaml(content: dict[str, Any]) -> str:
    """Return the content of a metadata file. It is read as a Jinja template, so braces in names are escaped."""
    import yaml

    text = yaml.safe_dump({"version": 1, **content}, sort_keys=False, allow_unicode=True, width=120)
    return _JINJA.sub(lambda found: f"{{{{ '{found[0]}' }}}}", text)
