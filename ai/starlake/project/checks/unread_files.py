"""Find metadata files whose names or places keep them from being read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ai.starlake.project.findings import Finding
from ai.starlake.project.reading.domain_files import CONFIG, SUFFIX
from ai.starlake.project.settings import MACRO_ENDINGS, Settings
from ai.starlake.project.templating.renderer import closest

_YAML = (".yml", ".yaml")
_TEMPLATES = (".j2", ".jinja", ".jinja2")
_SQL = (".sql", ".sql.j2")
_FOLDERS = (
    *("dags", "expectations", "extract", "external", "load", "load-strategies", "macros", "mapping", "semantic"),
    *("tests", "transform", "types", "worksheets", "write-strategies", "incoming"),
)
_FILES = ("application", "env", "refs")


def unread_files(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about names and places of files: those that resemble metadata but are never read.

    Args:
        settings: The settings of the project.
    """
    yield from _top(settings.metadata)
    yield from _of_domains(settings.metadata / "load", (SUFFIX,), _YAML)
    yield from _of_domains(settings.metadata / "transform", (SUFFIX, *_SQL, ".py"), (*_YAML, *_TEMPLATES, ".sql"))
    types = settings.folder("types", "SL_TYPES")
    yield from _named(_files(types), (SUFFIX,), _YAML, f"types are read from files that end with {SUFFIX}")
    for name, variable in (("macros", "SL_MACROS"), ("expectations", "SL_EXPECTATIONS")):
        files = _files(settings.folder(name, variable))
        yield from _named(files, MACRO_ENDINGS, _YAML, "macros are read from files that end with .j2 or .sql")
    yield from _dags(settings.folder("dags", "SL_DAGS"))
    yield from _strategies(settings.folder("write-strategies", "SL_WRITE_STRATEGIES"))


def _top(metadata: Path) -> Iterator[Finding]:
    for path in sorted(metadata.iterdir()):
        stem = path.name.partition(".")[0]
        if path.is_dir() and path.name not in _FOLDERS and not path.name.startswith("."):
            close = closest(path.name, _FOLDERS)
            if close and any(_files(path)):
                yield Finding(path, 0, "Starlake never reads this folder", f"did you mean {close}?")
        elif path.name.endswith(_YAML) and stem in _FILES and not path.name.endswith(SUFFIX):
            yield _unread(path, f"name it {path.name.rpartition('.')[0].removesuffix('.sl')}{SUFFIX}")


def _of_domains(folder: Path, read: tuple[str, ...], like: tuple[str, ...]) -> Iterator[Finding]:
    """Yield the files of a folder with a folder for each domain."""
    for file in _files(folder):
        if file.name.startswith("_") and not file.name.startswith("_config."):
            continue
        if file.parent == folder and file.name.endswith((*read, *like)):
            yield _unread(file, "move it into the folder of its domain")
        elif file.name == CONFIG and file.parent.parent != folder:
            yield _unread(file, f"the {CONFIG} of a domain is in the domain's own folder")
        else:
            yield from _named([file], read, like, f"such files end with {' or '.join(read)}")


def _dags(folder: Path) -> Iterator[Finding]:
    for file in _files(folder):
        if folder / "templates" in file.parents:
            continue
        if file.parent != folder and file.name.endswith(_YAML):
            yield _unread(file, f"move it into {folder}")
        else:
            yield from _named(
                [file], (SUFFIX,), _YAML, f"DAG configurations are read from files that end with {SUFFIX}"
            )


def _strategies(folder: Path) -> Iterator[Finding]:
    """Yield template files of write strategies; those for databases other than DuckDB are ignored."""
    for file in _files(folder):
        if file.parent == folder and file.name.endswith((*_TEMPLATES, ".sql")):
            yield _unread(file, f"move it into {folder / 'duckdb'}, as {file.name.partition('.')[0]}.j2")
        elif file.parent == folder / "duckdb":
            yield from _named(
                [file], (".j2",), (*_TEMPLATES, ".sql"), "templates are read from files that end with .j2"
            )


def _named(files: list[Path], read: tuple[str, ...], like: tuple[str, ...], rule: str) -> Iterator[Finding]:
    """Yield a finding for files whose names resemble those of metadata files."""
    for file in files:
        if file.name.endswith(like) and not file.name.endswith(read):
            yield _unread(file, f"rename it: {rule}")


def _unread(file: Path, hint: str) -> Finding:
    return Finding(file, 0, "Starlake never reads this file", hint)


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder, without hidden ones."""
    found = sorted(folder.rglob("*")) if folder.is_dir() else []
    return [file for file in found if file.is_file() and not any(part.startswith(".") for part in _below(file, folder))]


def _below(file: Path, folder: Path) -> tuple[str, ...]:
    return file.relative_to(folder).parts
