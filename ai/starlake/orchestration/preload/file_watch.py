"""Files that wait in the landing and stage areas of many domains, each area listed once."""

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
"""Domain and table, by the names that commands take."""


@dataclass(frozen=True)
class WaitingFile:
    """A file that a table takes when it is loaded next.

    Attributes:
        domain: The domain.
        table: The table.
        name: The name of the file.
        folder: The path or address of its folder.
        size: Its size in bytes, if the listing tells.
        version: Changes with its content; see `ListedFile`.
        modified: When it was written last, as a timestamp; None where files appear as a whole.
        archive: The archive that it is in.
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
        """An identity that stays when the file moves from area to area, and changes when it is written or touched."""
        return f"{self.archive or ''}/{self.name}\0{self.size}\0{self.version}"


def is_young(modified: float | None, now: datetime, seconds: float) -> bool:
    """Tell whether a file was written a short time ago, so that somebody may still be writing it.

    Args:
        modified: When it was written; None where files appear as a whole.
        now: The time. A time after it tells nothing: clocks differ.
        seconds: How short.
    """
    return modified is not None and abs(now.timestamp() - modified) < seconds


@dataclass(frozen=True)
class AckFile:
    """The global ack file of a domain.

    Attributes:
        path: Its path or address.
        identity: Changes when another one is written.
    """

    path: str
    identity: str


@dataclass(frozen=True)
class WatchedDomain:
    """A domain whose areas are watched.

    Attributes:
        rules: Which of its tables takes a file.
        settings: The options that say when it is loaded.
    """

    rules: FileRules
    settings: JobOptions

    @property
    def name(self) -> str:
        """The name of the domain."""
        return self.rules.domain

    @property
    def needs_ack(self) -> bool:
        """True if it is loaded only once its global ack file is there."""
        return self.settings.pre_load_strategy is StarlakePreLoadStrategy.ACK


@dataclass
class Waiting:
    """The files that wait in all areas at one time.

    Attributes:
        files: The files, by table.
        acks: The ack files, by domain.
        complaints: What is wrong with files that no table takes, by folder.
        problems: What could not be found out.
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
        """Return what waits. What goes wrong with one domain keeps no other from being looked at.

        Args:
            now: The time, in the zone of the dates in paths.
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
    """The listings of one look: several domains may share a folder."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._found: dict[str, list[ListedFile]] = {}

    def of(self, folder: str) -> list[ListedFile]:
        if folder not in self._found:
            self._found[folder] = self._files.location(folder).entries()
        return self._found[folder]


class _DomainAreas:
    """A look at the areas of one domain."""

    def __init__(
        self, watch: FileWatch, domain: WatchedDomain, now: datetime, listings: _Listings, waiting: Waiting
    ) -> None:
        self._watch = watch
        self._domain = domain
        self._now = now
        self._listings = listings
        self._waiting = waiting
        self._view = self._view_at(now)
        self._known: set[str] = set()  # names of files that no table takes, and rightly so

    def run(self) -> None:
        """Add what waits to the rest.

        Raises:
            StarlakeError: If it cannot be found out whether files wait.
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
            return []  # its metadata names none: its files are put into the stage area

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
        """Return which files in an archive tables want; none while it may still be written."""
        if is_archive(entry.name) and is_young(entry.modified, self._now, self._watch.settle):
            self._known.add(entry.name)
            return None
        found = _contents(folder, entry.name, entry.size, entry.version, rules)
        if isinstance(found, StarlakeError):
            raise found
        return found

    def _find_ack(self) -> None:
        """Find the ack file of today or of yesterday: it may come right before midnight."""
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
    """Return which files in an archive tables want, or why it cannot be read: once for each archive."""
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
        domains: The names of those to watch.
        settings: The options of the job.
    """
    return tuple(WatchedDomain(rules[domain], settings) for domain in domains)
