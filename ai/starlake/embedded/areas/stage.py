"""Landing areas: ``stage`` moves files from there, ``preload`` checks whether there are any."""

from __future__ import annotations

import errno
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.embedded.areas.archives import Archive, Budget, Member, contents, is_archive, opened
from ai.starlake.embedded.areas.area_files import BrokenFile, free_path, is_short, listed
from ai.starlake.embedded.areas.delivery import Delivered, Delivery, one_at_a_time, recover
from ai.starlake.embedded.reporting import EngineReporter
from ai.starlake.embedded.results import Move, PreloadResult, StageResult
from ai.starlake.embedded.selection import Selection
from ai.starlake.project import Domain, Project
from ai.starlake.project.landing import FileRule, FileRules, arrivals, member_ready, printable

logger = logging.getLogger(__name__)

STRATEGIES = ("none", "imported", "pending", "ack")


def stage(project: Project, selection: Selection, reporter: EngineReporter) -> StageResult:
    """Move the files of tables from the landing areas to the stage areas.

    A file that cannot be staged stays in place and does not keep others from being staged; files that match no table
    are named in a warning and stay too.

    Args:
        project: The project.
        selection: The domains and tables; tables are used only if domains are named, as in Starlake.
        reporter: Receives the moves.

    Raises:
        StarlakeError: If a selected domain has no landing area, or one that does not exist, or if a file cannot be
            staged; all others are staged then.
    """
    if not selection.names:
        selection = Selection()
    moves: list[Move] = []
    unmatched: list[str] = []
    problems: list[StarlakeError] = []
    for domain in selection.domains(project):
        try:
            staging = _Staging(project, domain, every_table=not selection.tables)
            staging.run(reporter)
        except StarlakeError as error:
            problems.append(error)
            continue
        moves += staging.moves
        unmatched += staging.unmatched
        problems += staging.problems
    _raise(problems)
    return StageResult(tuple(moves), tuple(unmatched))


def _raise(problems: Sequence[StarlakeError]) -> None:
    """Raise all problems as one error."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise StarlakeError(
            f"{len(problems)} problems while staging; the files that are not named here are staged",
            cause="\n".join(str(problem) for problem in problems),
        )


class _Rules:
    """Assignment of files to tables of a domain, if only some of its tables are selected.

    Args:
        project: The project.
        domain: The domain, with the selected tables.
        every_table: True if these are all of its tables.
    """

    def __init__(self, project: Project, domain: Domain, *, every_table: bool) -> None:
        self._project = project
        self._domain = domain
        self._every_table = every_table
        self.selected = FileRules(domain.name, tuple(FileRule.of(table) for table in domain.tables))

    @cached_property
    def every(self) -> FileRules:
        """Rules of all tables of the domain, read on demand.

        Raises:
            StarlakeError: If the metadata of another table is invalid.
        """
        return self.selected if self._every_table else self._project.domain_reader.file_rules(self._domain.folder)

    def fits(self, name: str, other: str) -> bool:
        """Return True if a file may have another name: one that matches the same table."""
        if name == other:
            return True
        rules = self.every
        rule, found = rules.rule_of(name), rules.rule_of(other)
        return found is not None and found == rule and not rules.is_ack(other)

    def warn_of(self, names: Sequence[str], folder: Path, what_becomes: str) -> tuple[str, ...]:
        """Warn about files that match no table of the domain, and return them."""
        if not names:
            return ()
        try:
            strangers = self.every.unmatched(names)
        except StarlakeError as error:
            logger.warning("whether files in %s match no table cannot be said: %s", folder, error)
            return ()
        if strangers:
            logger.warning("%s", self.every.complaint(strangers, folder, what_becomes))
        return strangers


class _Staging:
    """The files of one domain on their way from its landing area to its stage area.

    Args:
        project: The project.
        domain: The domain, with the selected tables.
        every_table: True if these are all of its tables.

    Raises:
        StarlakeError: If the domain has no landing area.
    """

    def __init__(self, project: Project, domain: Domain, *, every_table: bool) -> None:
        self._project = project
        self._domain = domain
        self._rules = _Rules(project, domain, every_table=every_table)
        self._landing = _landing(project, domain)
        self._area = project.areas.stage(domain.name)
        self._there: set[str] = set()
        self._acks: Counter[str] = Counter()  # number of files to stage that need each ack file
        self.moves: list[Move] = []
        self.unmatched: tuple[str, ...] = ()
        self.problems: list[StarlakeError] = []

    def run(self, reporter: EngineReporter) -> None:
        """Move all usable files.

        Raises:
            StarlakeError: If the landing area does not exist or cannot be read.
        """
        if not _exists(self._project, self._domain, "landing", self._landing):
            return
        try:
            self._area.mkdir(parents=True, exist_ok=True)
            with one_at_a_time(self._area) as locked:
                self._arrived(recover(self._area, self._rules.fits, locked=locked))
                self._take_all()
        except OSError as error:
            raise StarlakeError(
                f"the files of the domain {self._domain.name} cannot be staged from {self._landing} to {self._area}",
                cause=error.strerror or str(error),
            ) from error
        finally:
            reporter.staging(self._landing, self._area, tuple(self.moves))

    def _take_all(self) -> None:
        files, broken = listed(self._landing)
        self._there = {file.name for file in files}
        chosen: list[tuple[Path, FileRule | None]] = []
        others: list[str] = []
        for file in files:
            rule = self._rules.selected.rule_of(file.name)
            if rule is not None:
                chosen += [(file, rule)] if rule.ready(file.name, self._there) else []
            elif is_archive(file.name) and self._rules.every.rule_of(file.name) is None:
                chosen.append((file, None))
            else:
                others.append(file.name)
        self._acks.update(ack for file, rule in chosen if rule and (ack := rule.ack_of(file.name)))
        for file, rule in chosen:
            with self._noting(file):
                if rule is not None:
                    self._take(file, rule)
                elif not self._unpack(file):
                    others.append(file.name)
        for each in broken:
            if self._rules.selected.rule_of(each.path.name) or is_archive(each.path.name):
                self.problems.append(refusal(each))
            else:
                others.append(each.path.name)
        self.unmatched = self._rules.warn_of(sorted(others), self._landing, "they stay there")

    @contextmanager
    def _noting(self, file: Path) -> Iterator[None]:
        """Record the problem of a file, so that the others are staged. A missing file was taken by another command."""
        try:
            yield
        except StarlakeError as error:
            self.problems.append(error)
        except OSError as error:
            if os.path.lexists(file):
                self.problems.append(refusal(BrokenFile(file, error.strerror or str(error))))

    def _take(self, file: Path, rule: FileRule) -> None:
        target = self._free(file.name, set())
        ack = rule.ack_of(file.name)
        acks = self._acks_of([ack] if ack and self._acks[ack] == 1 else [])
        if file.is_symlink():  # a relative link would have another target from the stage area
            self._copy(file, target, acks)
        else:
            try:
                file.rename(self._area / target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy(file, target, acks)
            else:
                self._arrived([Delivered(file.name, self._area / target)])
                for path in acks:
                    path.unlink(missing_ok=True)
        if ack:
            self._acks[ack] -= 1

    def _copy(self, file: Path, target: str, acks: tuple[Path, ...]) -> None:
        with Delivery(self._area, file) as delivery:
            with file.open("rb") as content:
                delivery.add(content, file.name, target, Budget(file, self._area, None))
            self._arrived(delivery.finish(self._rules.fits, acks=acks))

    def _unpack(self, file: Path) -> bool:
        """Take the files out of an archive, if all of them can be staged; return True if it has any for the domain.

        Files of other tables are included: an archive is unpacked once.
        """
        every = self._rules.every
        with opened(file) as archive:
            wanted = archive.wanted(every)
            if wanted and all(member_ready(every, file.name, member.name, self._there) for member in wanted):
                self._deliver(archive, wanted)
        return bool(wanted)

    def _deliver(self, archive: Archive, wanted: tuple[Member, ...]) -> None:
        limit = int(self._project.application.max_unpacked_size)
        budget = Budget(archive.path, self._area, limit)
        budget.require(sum(member.size or 0 for member in wanted))
        others = [member.name for member in archive.members if member not in wanted]
        kept_in = self._project.areas.unresolved(self._domain.name) if others else None
        taken: set[str] = set()
        with Delivery(self._area, archive.path) as delivery:
            for member in wanted:
                target = self._free(member.name, taken)
                taken.add(target)
                with member.open() as content:
                    delivery.add(content, member.name, target, budget)
            acks = self._acks_of(_acks_within(self._rules.every, archive.path.name, wanted))
            self._arrived(delivery.finish(self._rules.fits, kept_in=kept_in, acks=acks))
        if others:
            became = f"they stay in the archive, which is kept in {kept_in}"
            logger.warning("%s", self._rules.every.complaint(others, archive.path, became))

    def _free(self, name: str, taken: set[str]) -> str:
        """Return a free name in the stage area for a file.

        Raises:
            StarlakeError: If its own is taken or too long, and no other matches.
        """
        fits = self._rules.fits
        path = free_path(self._area, name, fits=lambda other: other not in taken and fits(name, other))
        if path is not None:
            return path.name
        shown = printable(name)
        if not is_short(name):
            raise StarlakeError(
                f"{shown} in {self._landing} cannot be staged",
                cause="its name is longer than file systems allow",
                fix="give it a shorter name",
            )
        raise StarlakeError(
            f"{shown} in {self._landing} cannot be staged",
            cause=f"a file of its name waits in {self._area}, and no other name matches the pattern of its table",
            fix="load the files that wait there, then stage again",
        )

    def _acks_of(self, names: Iterable[str]) -> tuple[Path, ...]:
        """Return the ack files of some names that no other file needs."""
        return tuple(self._landing / name for name in names if self._acks[name] <= 1)

    def _arrived(self, files: Iterable[Delivered]) -> None:
        for file in files:
            self.moves.append(Move(file.path.name, str(self._landing), str(self._area)))
            if file.path.name != file.name:
                logger.warning(
                    "%s is staged as %s, since a file of its name waits in %s", file.name, file.path.name, self._area
                )


def refusal(file: BrokenFile) -> StarlakeError:
    """Return the error of an unusable file."""
    return StarlakeError(
        f"the file {printable(file.path.name)} in {file.path.parent} cannot be used",
        cause=file.reason,
        fix="replace or rename it, or take it away",
    )


def _acks_within(rules: FileRules, archive: str, members: Iterable[Member]) -> set[str]:
    """Return the ack files of an archive and of the files in it."""
    found = ((rule, member.name) for member in members if (rule := rules.rule_of(member.name)))
    return {ack for rule, name in found for ack in (rule.ack_of(name), rule.ack_of(archive)) if ack}


def preload(
    project: Project, domain: str, tables: tuple[str, ...], strategy: str, ack_file: str | None
) -> PreloadResult:
    """Return whether there is something to load. Nothing is moved; only ``ack`` deletes its file.

    Args:
        project: The project.
        domain: The name of the domain.
        tables: The tables to check; all of the domain if empty.
        strategy: ``none``, ``imported``, ``pending`` or ``ack``, in any case.
        ack_file: The file for ``ack``.

    Raises:
        StarlakeError: If the strategy or a name is unknown, if the folder of the files does not exist, or if none of
            its files is usable.
    """
    name = strategy.lower()
    if name not in STRATEGIES:
        raise PermanentError(
            f"the pre-load strategy {strategy!r} does not exist", fix=f"use one of {', '.join(STRATEGIES)}"
        )
    if name == "none":
        return PreloadResult(ready=True)
    if name == "ack":
        return PreloadResult(ready=_consume(ack_file))
    selected = Selection((domain,), tables).domains(project)[0]
    counts, problems = _waiting(project, selected, name, every_table=not tables)
    if problems and not any(counts.values()):
        _raise(problems)
    return PreloadResult(ready=any(counts.values()), counts=counts)


def _waiting(
    project: Project, domain: Domain, strategy: str, *, every_table: bool
) -> tuple[dict[str, int], list[StarlakeError]]:
    """Return the number of waiting files for each table, and the unusable ones."""
    imported = strategy == "imported"
    folder = _landing(project, domain) if imported else project.areas.stage(domain.name)
    counts = {table.name: 0 for table in domain.tables}
    if not _exists(project, domain, "landing" if imported else "stage", folder):
        return counts, []
    rules = _Rules(project, domain, every_table=every_table)
    files, broken = listed(folder)

    def within(name: str, every: FileRules) -> Sequence[str] | None:
        return contents(folder / name, every) if is_archive(name) and every.rule_of(name) is None else None

    names = [file.name for file in files]
    waiting = arrivals(names, rules.selected, lambda: rules.every, within if imported else None)
    bad = [each for each in broken if rules.selected.rule_of(each.path.name) or is_archive(each.path.name)]
    others = [*waiting.others, *(each.path.name for each in broken if each not in bad)]
    rules.warn_of(sorted(others), folder, "they are not loaded")
    for table in domain.tables:
        counts[table.name] = sum(table.matches(name) for name in waiting.ready)
    return counts, [*waiting.problems, *(refusal(each) for each in bad)]


def _consume(ack_file: str | None) -> bool:
    if not ack_file:
        return False
    path = Path(ack_file.removeprefix("file:"))
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StarlakeError(
            f"the ack file {path} cannot be deleted", cause=str(error), fix="check its permissions"
        ) from error
    return True


def _landing(project: Project, domain: Domain) -> Path:
    return Path(project.domain_reader.landing(domain.folder).folder)


def _exists(project: Project, domain: Domain, area: str, folder: Path) -> bool:
    """Return True if the folder of the files of a domain exists.

    Raises:
        StarlakeError: If it does not, unless the project treats missing folders as empty.
    """
    if folder.is_dir():
        return True
    reader = project.domain_reader
    if area == "landing":
        place, fix = reader.landing(domain.folder).place, "create it, or correct load.metadata.directory"
    else:
        place, fix = reader.place(domain.folder), "stage files first, create it, or correct SL_DATASETS"
    what = "is not a folder" if os.path.lexists(folder) else "does not exist"
    text = f"{place}: the {area} area {folder} of the domain {domain.name} {what}"
    if project.application.missing_folders == "empty":
        logger.warning("%s; it counts as empty", text)
        return False
    raise StarlakeError(text, cause="so it is unknown whether files have arrived", fix=fix)
