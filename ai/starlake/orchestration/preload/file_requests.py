"""Tables to load for waiting files: those with a set of files that was not requested yet."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ai.starlake.orchestration.preload.file_watch import AckFile, TableName, Waiting, WaitingFile, is_young

_MOST_YOUNG = 20
"""Maximum number of remembered young files of a table: of more than that, some are surely new."""


@dataclass(frozen=True)
class FileMemory:
    """State of a sensor between ticks. Its size grows with the number of tables with files, not with the files.

    Attributes:
        serial: Number of requested runs.
        asked: The requested sets of files that are still waiting, as hashes.
        young: The files that may have been written during the last tick, by hashes of tables.
        told: The logged complaints, as hashes.
        acks: The consumed ack files, as hashes.
    """

    serial: int = 0
    asked: frozenset[str] = frozenset()
    young: Mapping[str, frozenset[str]] = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    acks: frozenset[str] = frozenset()

    @classmethod
    def read(cls, cursor: str | None) -> FileMemory | None:
        """Return the state from a cursor; None before the first tick, and for a cursor that is not ours."""
        try:
            data = json.loads(cursor or "")
            young = {table: frozenset(names) for table, names in data["young"].items()}
            sets = {name: frozenset(data[name]) for name in ("asked", "told", "acks")}
            return cls(int(data["serial"]), young=young, **sets)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def written(self) -> str:
        """Return the cursor."""
        young = {table: sorted(names) for table, names in sorted(self.young.items())}
        sets = {"asked": sorted(self.asked), "told": sorted(self.told), "acks": sorted(self.acks)}
        return json.dumps({"serial": self.serial, "young": young, **sets}, separators=(",", ":"))


@dataclass(frozen=True)
class TableRequest:
    """A table to load for its waiting files.

    Attributes:
        table: Domain and table.
        files: The files.
        digest: The hash of the table and the set of its files.
    """

    table: TableName
    files: tuple[WaitingFile, ...]
    digest: str


@dataclass(frozen=True)
class FileDecision:
    """Decision of a tick.

    Attributes:
        requests: The tables to load, in one run if possible.
        waits: The reasons why tables with files are not loaded yet.
        known: Number of tables with files that were requested before.
        complaints: Messages to log once.
        used_acks: Ack files to remove.
        memory: The new state.
    """

    requests: tuple[TableRequest, ...]
    waits: tuple[str, ...]
    known: int
    complaints: tuple[str, ...]
    used_acks: tuple[AckFile, ...]
    memory: FileMemory


@dataclass(frozen=True)
class Busy:
    """A table that a requested run has yet to load.

    Attributes:
        run_id: The run.
        digest: The hash of the files of the request.
    """

    run_id: str
    digest: str


@dataclass(frozen=True)
class Tick:
    """Input of a decision, besides the waiting files.

    Attributes:
        project: Folder or URI of the project, which is part of each hash.
        now: The current time.
        settle: Seconds for which a file must not have changed before it is loaded.
        most_tables: Maximum number of tables to request; the others wait for the next tick.
        needs_ack: The domains that are loaded when their global ack file exists.
        busy: The tables that are being loaded.
    """

    project: str
    now: datetime
    settle: float
    most_tables: int
    needs_ack: Collection[str] = ()
    busy: Mapping[TableName, Busy] = field(default_factory=dict)


def decide(waiting: Waiting, memory: FileMemory, tick: Tick) -> FileDecision:
    """Return the tables to load.

    A set of files is requested once. The same files again - because the load failed, and they are back in the stage
    area - are not requested, until one of them is written or touched, or another one arrives.

    Args:
        waiting: The waiting files.
        memory: The state of the last tick.
        tick: The other input.
    """
    return _Deciding(waiting, memory, tick).decision()


def digest_of(*parts: str) -> str:
    """Return a short hash of strings."""
    digest = hashlib.blake2b("\0\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=9)
    return urlsafe_b64encode(digest.digest()).decode()


class _Deciding:
    def __init__(self, waiting: Waiting, memory: FileMemory, tick: Tick) -> None:
        self._waiting = waiting
        self._memory = memory
        self._tick = tick
        self._known: set[str] = set()
        self._young: dict[str, frozenset[str]] = {}
        self._waits: list[str] = []
        self._held: set[str] = set()  # domains with a waiting table
        self._acks = {domain: digest_of(tick.project, ack.identity) for domain, ack in waiting.acks.items()}

    def decision(self) -> FileDecision:
        candidates = list(filter(None, map(self._candidate, sorted(self._waiting.files))))
        candidates.sort(key=_age)
        requests, later = candidates[: self._tick.most_tables], candidates[self._tick.most_tables :]
        if later:
            self._waits.append(f"{len(later)} more tables wait for the next tick")
            self._held.update(request.table[0] for request in later)
        busy = self._tick.busy.values()
        complaints = {digest_of(folder, text): text for folder, text in self._waiting.complaints.items()}
        return FileDecision(
            requests=tuple(requests),
            waits=tuple(self._waits),
            known=len(self._known),
            complaints=tuple(text for told, text in complaints.items() if told not in self._memory.told),
            used_acks=tuple(
                ack for domain, ack in self._waiting.acks.items() if self._acks[domain] in self._memory.acks
            ),
            memory=FileMemory(
                serial=self._memory.serial + bool(requests),
                asked=frozenset({*self._known, *(each.digest for each in requests), *(each.digest for each in busy)}),
                young=self._young,
                told=frozenset(complaints),
                acks=self._used(requests),
            ),
        )

    def _candidate(self, table: TableName) -> TableRequest | None:
        """Return the request for a table; None if its files were requested before, or have to wait."""
        files = sorted(self._waiting.files[table], key=lambda file: (file.name, file.folder))
        now, settle = self._tick.now, self._tick.settle
        young = [file for file in files if is_young(file.modified, now, settle)]
        settled = [file for file in files if not is_young(file.modified, now, settle)] if young else files
        ack = self._acks.get(table[0], "")
        digest = digest_of(self._tick.project, *table, ack, *sorted(file.identity for file in settled))
        if digest in self._memory.asked:
            self._known.add(digest)
        reason = self._reason_to_wait(table, young, is_new=bool(settled) and digest not in self._known)
        if reason:
            self._waits.append(f"{'.'.join(table)}: {reason}")
            self._held.add(table[0])
        if reason or not settled or digest in self._known:
            return None
        return TableRequest(table, tuple(settled), digest)

    def _reason_to_wait(self, table: TableName, young: Sequence[WaitingFile], *, is_new: bool) -> str:
        if young and self._hold(table, young):
            return f"{_names(young)} may still be written"
        if not is_new:
            return ""
        if table[0] in self._tick.needs_ack and self._acks.get(table[0]) in (None, *self._memory.acks):
            return "there is no ack file"
        busy = self._tick.busy.get(table)
        return f"run {busy.run_id} has yet to load it" if busy else ""

    def _hold(self, table: TableName, young: Sequence[WaitingFile]) -> bool:
        """Return True if a table waits for its young files.

        It waits once in any case, and as long as one of them was young at the last tick too, because it is being
        written; but not forever if a new one arrives with each tick.
        """
        name = digest_of(*table)
        names = frozenset(digest_of(file.name)[:6] for file in young[:_MOST_YOUNG])
        before = self._memory.young.get(name)
        self._young[name] = names
        return before is None or bool(before & names)

    def _used(self, requests: Iterable[TableRequest]) -> frozenset[str]:
        """Return the consumed ack files: those for which all tables with files are requested."""
        asked = {request.table[0] for request in requests}
        return frozenset(
            ack
            for domain, ack in self._acks.items()
            if ack in self._memory.acks or (domain in asked and domain not in self._held)
        )


def _age(request: TableRequest) -> tuple[float, TableName]:
    """Return a sort key that puts the tables with the longest waiting files first."""
    return min(file.modified or 0 for file in request.files), request.table


def _names(files: Sequence[WaitingFile]) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0].name}{more}"
