"""The pre-load check that lists files itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage import local_path
from ai.starlake.job import StarlakeCommand
from ai.starlake.orchestration.preload.view import DomainView
from ai.starlake.orchestration.preload.waiting import PreLoadFinding

if TYPE_CHECKING:
    from ai.starlake.project.landing import Arrivals, FileRules


@dataclass(frozen=True)
class FilesCheck:
    """Checks for files of a domain in the folder from which Starlake takes them.

    Args:
        tables: The tables whose files are considered; all of the domain if empty.
        imported: True to check the landing area instead of the stage area.
        base: The option `incoming_path` or `pending_path`, a path template: the domain's folder is in it. None for the
            folder in the metadata of the project.
    """

    tables: tuple[str, ...]
    imported: bool
    base: str | None
    for_ack = False

    def planned(self, view: DomainView) -> StarlakeCommand | None:  # noqa: ARG002
        """Return None: no command is run."""
        return None

    def peek(self, view: DomainView) -> bool:
        """Return True if files wait."""
        return self.look(view).ready

    def look(self, view: DomainView) -> PreLoadFinding:
        """Check once.

        Raises:
            StarlakeError: If the check fails.
        """
        folders = waiting_folders(view, imported=self.imported, base=self.base)
        rules = self._rules(view)
        found: dict[str, int] = {}
        notes: list[str] = []
        problems: list[StarlakeError] = []
        for folder in folders:
            arrived = self._arrived(folder, view.files.location(folder).list_files(), rules)
            problems += arrived.problems
            if rules and (strangers := rules.unmatched(arrived.others)):
                notes.append(rules.complaint(strangers, folder, "they do not count as something to load"))
            found[folder] = len(arrived.ready)
        notes += self._elsewhere(view, folders[0])
        waiting = [f"{_counted(count)} in {folder}" for folder, count in found.items() if count]
        if waiting:
            return PreLoadFinding(ready=True, reason="; ".join(waiting), warning=lambda: "\n".join(notes))
        if problems:
            raise problems[0]
        error = self._unsure(view, folders)
        what = f"file of {', '.join(self.tables)}" if self.tables else "file"
        reason = f"no {what} in {' or '.join(folders)}"
        return PreLoadFinding(ready=False, reason=reason, warning=lambda: "\n".join(notes), error=error)

    @property
    def _option(self) -> str:
        return "incoming_path" if self.imported else "pending_path"

    def _rules(self, view: DomainView) -> FileRules | None:
        """Return the file rules; None, so that every file matches, if the project is not on this machine.

        Raises:
            StarlakeError: If the project is invalid, or lacks the domain or a table.
        """
        return view.rules if view.is_readable or (self.imported and self.base is None) else None

    def _arrived(self, folder: str, names: Sequence[str], rules: FileRules | None) -> Arrivals:
        """Classify the files of a folder."""
        from ai.starlake.project.landing import Arrivals, arrivals

        if rules is None:
            return Arrivals(ready=list(names))
        contents = partial(archived, folder) if self.imported else None
        return arrivals(names, rules.selected(self.tables), lambda: rules, contents)

    def _elsewhere(self, view: DomainView, folder: str) -> list[str]:
        """Return an error that Starlake takes files from another folder than the option's."""
        own = self._own_folder(view)
        if own is None or _same(own, folder):
            return []
        return [f"{view.place}Starlake takes files of {view.domain} from {own}, not from {folder} ({self._option})"]

    def _own_folder(self, view: DomainView) -> str | None:
        """Return the folder of the project, if an option sets another one."""
        if self.base is None or self._rules(view) is None:
            return None
        try:
            return view.landing.folder if self.imported else view.facts.area("stage", view.domain)
        except StarlakeError:
            return None  # the metadata has none

    def _unsure(self, view: DomainView, folders: list[str]) -> StarlakeError | None:
        """Return the reason why "nothing waits" is uncertain; None if it is certain."""
        own = self._own_folder(view)
        if own is not None and not _same(own, folders[0]):
            return StarlakeError(
                f"{self._place(view)}files of the domain {view.domain} land in {own}, but the pre-load check looks in "
                f"{folders[0]}",
                cause=f"option {self._option} names another folder than the project, and has no file",
                fix=f"leave option {self._option} out, or make the project and the option name one folder",
            )
        return missing(view, folders, self._option, self._place(view))

    def _place(self, view: DomainView) -> str:
        """Return the relevant file and line, for messages."""
        try:
            return f"{view.landing.place}: " if self.imported and view.is_readable else view.place
        except StarlakeError:
            return view.place


def waiting_folders(view: DomainView, *, imported: bool, base: str | None) -> list[str]:
    """Return the folders in which files of a domain may wait.

    Args:
        view: The domain.
        imported: True to return the landing area instead of the stage area.
        base: The option `incoming_path` or `pending_path`; see `FilesCheck`.

    Raises:
        StarlakeError: If the project cannot be read or does not define it.
    """
    if base is not None:
        return [view.render(f"{base.rstrip('/')}/{{domain}}")]
    if imported:
        view.render("{SL_ROOT}/metadata")  # which requires the project
        return [view.landing.folder]
    older = view.render("{SL_DATASETS}/pending/{domain}")  # for Starlake before 1.2
    if view.is_readable:
        return [view.facts.area("stage", view.domain), older]
    return [view.render("{SL_DATASETS}/stage/{domain}"), older]


def missing(view: DomainView, folders: Sequence[str], option: str, place: str) -> StarlakeError | None:
    """Return the error if none of some folders exists; None if one does, or if the project treats them as empty.

    An object store has no folders, so none is missing there.

    Args:
        view: The project and the run.
        folders: The folders.
        option: The option that sets another folder.
        place: The file and line of the domain.
    """
    paths = [local_path(folder) for folder in folders]
    if any(path is None or path.is_dir() for path in paths):
        return None
    try:
        if view.facts.missing_folders_are_empty:
            return None
    except StarlakeError:
        pass  # without a project the setting has its default
    which = "folder" if len(folders) == 1 else "folders"
    verb = "does" if len(folders) == 1 else "do"
    fixes = f"create it, correct load.metadata.directory of the domain, or option {option}"
    return StarlakeError(
        f"{place}the {which} {' and '.join(folders)}, where files of the domain {view.domain} wait, {verb} not exist",
        cause="so it is unknown whether there is something to load",
        fix=fixes if option == "incoming_path" else f"stage files first, create it, or correct option {option}",
    )


def is_archive(name: str) -> bool:
    """Return True if a file name is that of an archive that the engine unpacks."""
    from ai.starlake.embedded.areas import archives

    return archives.is_archive(name)


def archived(folder: str, name: str, rules: FileRules) -> Sequence[str] | None:
    """Return the files in an archive that match tables; None if it is not an archive.

    None for archives in an object store too: no executor unpacks them there.
    """
    from ai.starlake.embedded.areas.archives import contents

    if not is_archive(name) or rules.rule_of(name) is not None:
        return None
    local = local_path(folder)
    return contents(local / name, rules) if local is not None else None


def _counted(files: int) -> str:
    from ai.starlake.project.landing import counted

    return counted(files)


def _same(one: str, other: str) -> bool:
    """Return True if two folders are the same."""
    first, second = local_path(one), local_path(other)
    if first is None or second is None:
        return one.rstrip("/") == other.rstrip("/")
    return os.path.realpath(first) == os.path.realpath(second)
