"""Waiting files in the landing and stage areas of many domains; each area is listed once."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage import Files, ListedFile
from ai.starlake.job import JobOptions, StarlakePreLoadStrategy
from ai.starlake.orchestration.dates.run_dates import RunDates
from ai.starlake.orchestration.preload.files_check import archived, is_archive, missing, waiting_folders
from ai.starlake.orchestration.preload.view import DomainView, ProjectView
from ai.starlake.project.landing import FileRules, arrivals

TableName = tuple[str, str]
"""Domain and table, by their names in commands."""


@dataclass(frozen=True)
class WaitingFile:
    """A file that the next load of a table reads.

    Attributes:
        domain: The domain.
        table: The table.
        name: The name of the file.
        folder: Path or URI of its folder.
        size: Its size in bytes, if the listing tells.
        version: Changes with its content; see `ListedFile`.
        modified: Its modification time, as a timestamp; None if files appear as a whole.
        archive: Its archive.
    """

    domain: str
    table: str
    name: str
    folder: str
    size: int | None = None
    version: str = ""
    modified: float | None = None
    archive: str | None = None

    @property
    def identity(self) -> str:
        """Identity that stays when the file moves from area to area, and changes when it is written or touched."""
        return f"{self.archive or ''}/{self.name}\0{self.size}\0{self.version}"


def is_young(modified: float | None, now: datetime, seconds: float) -> bool:
    """Return True if a file was written recently, so that it may still be incomplete.

    Args:
        modified: Its modification time; None if files appear as a whole.
        now: The current time. A later modification time is ignored: clocks differ.
        seconds: Maximum age of a recent file.
    """
    return modified is not None and abs(now.timestamp() - modified) < seconds


@dataclass(frozen=True)
class AckFile:
    """The global ack file of a domain.

    Attributes:
        path: Its path or URI.
        identity: Changes when another one is written.
    """

    path: str
    identity: str


@dataclass(frozen=True)
class WatchedDomain:
    """A domain with watched areas.

    Attributes:
        rules: Its file rules.
        settings: The options of its loads.
    """

    rules: FileRules
    settings: JobOptions

    @property
    def name(self) -> str:
        """The name of the domain."""
        return self.rules.domain

    @property
    def needs_ack(self) -> bool:
        """True if it is loaded only if its global ack file exists."""
        return self.settings.pre_load_strategy is StarlakePreLoadStrategy.ACK


@dataclass
class Waiting:
    """The waiting files of all areas at one time.

    Attributes:
        files: The files, by table.
        acks: The ack files, by domain.
        complaints: Messages about files that match no table, by folder.
        problems: Errors of the search.
    """

    files: dict[TableName, list[WaitingFile]] = field(default_factory=dict)
    acks: dict[str, AckFile] = field(default_factory=dict)
    complaints: dict[str, str] = field(default_factory=dict)
    problems: list[StarlakeError] = field(default_factory=list)


@dataclass(frozen=True)
class FileWatch:
    """Watches the areas of the domains of a project.

    Args:
        project: The project.
        domains: The domains.
        settle: Seconds for which an archive must not have changed before it is opened.
    """

    project: ProjectView
    domains: tuple[WatchedDomain, ...]
    settle: float

    def look(self, now: datetime) -> Waiting:
        """Return the waiting files. An error in one domain does not affect others.

        Args:
            now: The current time, in the time zone of the dates in paths.
        """
        waiting = Waiting()
        listings = _Listings(self.project.files)
        for domain in self.domains:
            with _noting(waiting.problems):
                _DomainAreas(self, domain, now, listings, waiting).run()
        return waiting


@contextmanager
def _noting(problems: list[StarlakeError]) -> Iterator[None]:
    try:
        yield
    except StarlakeError as error:
        problems.append(error)


class _Listings:
    """The listings of one search: several domains may share a folder."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._found: dict[str, list[ListedFile]] = {}

    def of(self, folder: str) -> list[ListedFile]:
        if folder not in self._found:
            self._found[folder] = self._files.location(folder).entries()
        return self._found[folder]


class _DomainAreas:
    """The areas of one domain in a search."""

    def __init__(
        self, watch: FileWatch, domain: WatchedDomain, now: datetime, listings: _Listings, waiting: Waiting
    ) -> None:
        self._watch = watch
        self._domain = domain
        self._now = now
        self._listings = listings
        self._waiting = waiting
        self._view = self._view_at(now)
        self._known: set[str] = set()  # names of files that need not match a table

    def run(self) -> None:
        """Add the waiting files to the result.

        Raises:
            StarlakeError: If the files cannot be listed.
        """
        if self._domain.needs_ack:
            self._find_ack()
        strategy = self._domain.settings.pre_load_strategy
        landing = [] if strategy is StarlakePreLoadStrategy.PENDING else self._landing(strategy)
        staged = [] if strategy is StarlakePreLoadStrategy.IMPORTED else self._stage()
        for folder in (*landing, *staged):
            self._sort(folder, imported=folder in landing)
        self._require_folder([*landing, *staged], "incoming_path" if landing else "pending_path")

    def _view_at(self, time: datetime) -> DomainView:
        return DomainView(self._watch.project, RunDates(time, None), self._domain.name)

    def _landing(self, strategy: StarlakePreLoadStrategy) -> list[str]:
        try:
            return waiting_folders(self._view, imported=True, base=self._domain.settings.incoming_path)
        except StarlakeError:
            if strategy is StarlakePreLoadStrategy.IMPORTED:
                raise
            return []  # its metadata has none: its files are put into the stage area directly

    def _stage(self) -> list[str]:
        return waiting_folders(self._view, imported=False, base=self._domain.settings.pending_path)

    def _require_folder(self, folders: list[str], option: str) -> None:
        if any(self._listings.of(folder) for folder in folders):
            return
        error = missing(self._view, folders, option, self._view.place)
        if error is not None:
            raise error

    def _sort(self, folder: str, *, imported: bool) -> None:
        entries = {entry.name: entry for entry in self._listings.of(folder)}
        if not entries:
            return
        rules = self._domain.rules
        inside: dict[str, str] = {}

        def contents(name: str, rules: FileRules) -> Sequence[str] | None:
            found = self._contents(folder, entries[name], rules)
            inside.update(dict.fromkeys(found or (), name))
            return found

        arrived = arrivals(list(entries), rules, lambda: rules, contents if imported else None)
        self._waiting.problems += arrived.problems
        for name in arrived.ready:
            archive = None if name in entries else inside[name]
            self._add(folder, name, entries[archive or name], archive)
        if strangers := rules.unmatched(name for name in arrived.others if name not in self._known):
            self._waiting.complaints[folder] = rules.complaint(strangers, folder, "they load nothing")

    def _add(self, folder: str, name: str, entry: ListedFile, archive: str | None) -> None:
        rule = self._domain.rules.rule_of(name)
        if rule is None:
            return
        domain, table = self._domain.name, rule.table
        file = WaitingFile(domain, table, name, folder, entry.size, entry.version, entry.modified, archive)
        self._waiting.files.setdefault((domain, table), []).append(file)

    def _contents(self, folder: str, entry: ListedFile, rules: FileRules) -> Sequence[str] | None:
        """Return the files in an archive that match tables; None while it may still be written."""
        if is_archive(entry.name) and is_young(entry.modified, self._now, self._watch.settle):
            self._known.add(entry.name)
            return None
        found = _contents(folder, entry.name, entry.size, entry.version, rules)
        if isinstance(found, StarlakeError):
            raise found
        return found

    def _find_ack(self) -> None:
        """Return the ack file of today or of yesterday: it may arrive right before midnight."""
        template = self._domain.settings.global_ack_file_path
        for time in (self._now, self._now - timedelta(days=1)):
            path = self._view_at(time).render(template)
            folder, _, name = path.rpartition("/")
            self._known.add(name)
            for entry in self._listings.of(folder):
                if entry.name == name:
                    identity = f"{path}\0{entry.size}\0{entry.version}"
                    self._waiting.acks[self._domain.name] = AckFile(path, identity)


@functools.lru_cache(maxsize=256)
def _contents(
    folder: str,
    name: str,
    size: int | None,  # noqa: ARG001  a changed archive is read again
    version: str,  # noqa: ARG001
    rules: FileRules,
) -> Sequence[str] | StarlakeError | None:
    """Return the files in an archive that match tables, or its error: once for each archive."""
    try:
        return archived(folder, name, rules)
    except StarlakeError as error:
        return error


def watched_domains(
    rules: Mapping[str, FileRules], domains: Sequence[str], settings: JobOptions
) -> tuple[WatchedDomain, ...]:
    """Return domains of a project, all with the options of one job.

    Args:
        rules: The rules of all domains.
        domains: The names of the watched ones.
        settings: The options of the job.
    """
    return tuple(WatchedDomain(rules[domain], settings) for domain in domains)
