"""Versions of data: equal if a load leaves the same rows, so that downstream assets stay up to date."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, AssetRecordsFilter, DagsterRunStatus, OpExecutionContext, RunsFilter

from ai.starlake.dagster import _compat
from ai.starlake.orchestration.dates.run_tags import is_tagged_dry
from ai.starlake.project.models.strategy_kinds import DEFAULT_STRATEGY, StrategyKind, strategy_kind

if TYPE_CHECKING:
    from dagster import AssetMaterialization, EventLogRecord

    from ai.starlake.executor.outcomes import LoadedFile, TableOutcome
    from ai.starlake.project.assets.project_item import ProjectItem

CONTENT = "starlake/content"
"""Metadata with the files of a load, as a hash."""
NEVER_LOADED = "starlake/never_loaded"
"""Metadata of a table without any recorded load: it may not exist."""
_TAG = "dagster/data_version"
_ROW_COUNT = "dagster/row_count"
_BEFORE_THE_STEPS = (DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING)


@dataclass(frozen=True)
class DataState:
    """The state of an asset after a step.

    Args:
        version: The version of its data; None for the one that Dagster derives from code and inputs.
        metadata: Metadata for the next step.
    """

    version: str | None
    metadata: Mapping[str, Any]


def state_after(item: ProjectItem, outcome: TableOutcome, key: AssetKey, context: OpExecutionContext) -> DataState:
    """Return the state of an item after its command succeeded.

    A strategy that gives the same rows when it is repeated derives the version from the content of the files. Any other
    strategy, and files with unknown content, get a new version. A task has the version that Dagster derives from its
    code and its inputs, unless it appends.

    Args:
        item: The item.
        outcome: Outcome of its command.
        key: The key of its asset.
        context: The context of the step.
    """
    kinds = list(_strategies(item))
    if not all(kind.is_repeatable for kind in kinds):
        return DataState(_new_version(key, context), {})
    if item.kind != "table":
        return DataState(None, {})
    content = _content(item, outcome.files)
    if content is None:
        return DataState(_new_version(key, context), {})
    known = {CONTENT: content}
    if all(kind.replaces_table for kind in kinds):
        return DataState(content, known)
    return DataState(_version_over_the_last(key, content, context), known)


def unchanged_state(key: AssetKey, context: OpExecutionContext) -> DataState:
    """Return the state of an asset that a step leaves unchanged.

    After an attempt that recorded nothing, the state is unknown.

    Args:
        key: The key of the asset.
        context: The context of the step.
    """
    last = last_materialization(key, context)
    if last is None:
        return DataState(None, {} if _was_ever_loaded(key, context) else {NEVER_LOADED: True})
    if _may_have_changed(key, context):
        return DataState(_new_version(key, context), {})
    kept = {name: last.metadata[name] for name in (CONTENT, _ROW_COUNT, NEVER_LOADED) if name in last.metadata}
    return DataState(last.tags.get(_TAG) if last.tags else None, kept)


def _was_ever_loaded(key: AssetKey, context: OpExecutionContext) -> bool:
    """Return True if a load of the asset is recorded, for any partition."""
    records = context.instance.fetch_materializations(AssetRecordsFilter(key), limit=1).records
    last = _compat.recorded_materialization(records[0]) if records else None
    return last is not None and NEVER_LOADED not in last.metadata


def last_materialization(key: AssetKey, context: OpExecutionContext) -> AssetMaterialization | None:
    """Return the last record of an asset, or of the partition of the run; None if it was never materialized."""
    record = _last_record(key, context)
    return _compat.recorded_materialization(record) if record is not None else None


def _last_record(key: AssetKey, context: OpExecutionContext) -> EventLogRecord | None:
    partitions = [context.partition_key] if context.has_partition_key else None
    records = context.instance.fetch_materializations(AssetRecordsFilter(key, asset_partitions=partitions), limit=1)
    return records.records[0] if records.records else None


def _version_over_the_last(key: AssetKey, content: str, context: OpExecutionContext) -> str:
    last = last_materialization(key, context)
    if last is not None and _may_have_changed(key, context):
        return _new_version(key, context)
    before = last.tags.get(_TAG) if last and last.tags else None
    if last is not None and before and _text(last, CONTENT) == content:
        return before
    return _hash(before or "", content)


def _may_have_changed(key: AssetKey, context: OpExecutionContext) -> bool:
    """Return True if an attempt after the last record recorded nothing: it may have loaded some of its files."""
    if context.retry_number:
        return True
    record = _last_record(key, context)
    if record is None:
        return False
    partition = context.partition_key if context.has_partition_key else None
    others = _compat.runs_planned_since(context.instance, key, record.storage_id, partition) - {context.run_id}
    records = context.instance.get_run_records(RunsFilter(run_ids=sorted(others))) if others else []
    runs = [each.dagster_run for each in records]
    return any(run.status not in _BEFORE_THE_STEPS and not is_tagged_dry(run.tags) for run in runs)


def _new_version(key: AssetKey, context: OpExecutionContext) -> str:
    return _hash(context.run_id, _compat.step_key_of(context), *key.path)


def _strategies(item: ProjectItem) -> Iterator[StrategyKind]:
    written = item.metadata.get("writeStrategy") or {}
    types: Mapping[str, str] = written.get("types") or {}
    yield from (strategy_kind(name.upper()) for name in (types or [written.get("type") or DEFAULT_STRATEGY]))


def _content(item: ProjectItem, files: Sequence[LoadedFile]) -> str | None:
    digests = [file.digest for file in files]
    if not digests or None in digests:
        return None
    return _hash(item.code_version, *(digest or "" for digest in digests))


def _text(record: AssetMaterialization, name: str) -> object:
    value = record.metadata.get(name)
    return value.value if value is not None else None


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
