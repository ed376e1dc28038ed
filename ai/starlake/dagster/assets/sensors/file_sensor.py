"""The sensor that loads files when they arrive: one for all domains of a project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from dagster import (
    AssetSelection,
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
)

from ai.starlake.common import StarlakeError, zone_of
from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.rejects.rejected_keys import rejected_keys
from ai.starlake.dagster.assets.sensors.asked_runs import AskedRuns
from ai.starlake.dagster.assets.sensors.partitions_now import has_partition, newest_partition
from ai.starlake.orchestration.preload.file_requests import (
    FileDecision,
    FileMemory,
    TableRequest,
    Tick,
    decide,
    digest_of,
)
from ai.starlake.orchestration.preload.file_watch import FileWatch, TableName, Waiting, WatchedDomain
from ai.starlake.orchestration.preload.view import ProjectView
from ai.starlake.project.assets.item_files import rules_of_domains

if TYPE_CHECKING:
    from dagster import AssetKey, AssetsDefinition, DagsterInstance, PartitionsDefinition

    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.job import JobOptions
    from ai.starlake.project.assets.project_item import ProjectItem, Target

Group = tuple["PartitionsDefinition[str] | None", str | None]
"""The partitions definition, and the key, of a run."""


def file_sensor(build: AssetBuild, assets: Iterable[AssetsDefinition]) -> SensorDefinition | None:
    """Return the sensor that watches the landing and stage areas of all domains; None if no table is selected.

    Args:
        build: The items, and their executor.
        assets: The assets that materialize them.
    """
    partitions = {spec.key: spec.partitions_def for each in assets for spec in each.specs}
    sensor = _FileSensor(build, partitions, f"{build.name}_files")
    if not sensor.tables:
        return None
    keys = [build.key(item) for item in build.items if build.key(item) in partitions]
    return SensorDefinition(
        name=sensor.name,
        asset_selection=AssetSelection.assets(*keys, *rejected_keys(build, keys)),
        evaluation_fn=sensor.evaluate,
        minimum_interval_seconds=build.options.file_sensor_interval,
        description=f"Loads files of {build.translated.project.name} when they arrive, and makes what depends on them.",
        default_status=DefaultSensorStatus[sensor.default_status.upper()],
    )


@dataclass(frozen=True)
class _FileSensor:
    build: AssetBuild
    partitions: Mapping[AssetKey, PartitionsDefinition[str] | None]
    name: str

    @property
    def default_status(self) -> str:
        from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

        return self.build.sl_job.options_of(OrchestrationOptions).default_status

    def evaluate(self, context: SensorEvaluationContext) -> SensorResult:
        """Search for files once, and request runs for new ones.

        Raises:
            StarlakeError: If the files cannot be listed, and there is nothing else to report.
        """
        runs = AskedRuns(context.instance, self.name, self.build.translated.project.root)
        busy = runs.under_way()  # before the files: those of a failing run are back when it has ended
        now = datetime.now(zone_of(self.build.settings.timezone))
        waiting = self.watch.look(now)
        waiting.files = {table: files for table, files in waiting.files.items() if table in self.tables}
        keys = {table: self.build.key(item) for table, item in self.tables.items()}
        busy = runs.yet_to_load(busy, waiting.files, keys)
        tick = Tick(runs.project, now, self.watch.settle, self.build.options.file_sensor_tables, self.needs_ack, busy)
        known = FileMemory.read(context.cursor)
        decision = decide(waiting, known or FileMemory(), tick)
        if decision.requests and (memory := runs.recovered(known)) != known:
            decision = decide(waiting, memory, tick)
        self._tell(context, waiting, decision, known)
        for ack in decision.used_acks:
            self.watch.project.files.location(ack.path).remove()
        return self._result(decision, runs, context)

    @cached_property
    def watch(self) -> FileWatch:
        """The search for files; it caches the project."""
        rules = rules_of_domains(self.build.translated.project.items)
        chosen = dict.fromkeys(domain for domain, _ in self.tables)
        domains = tuple(WatchedDomain(rules[name], self._settings_of(name)) for name in chosen)
        return FileWatch(ProjectView(self.build.settings), domains, self.build.options.file_settle_seconds)

    @cached_property
    def tables(self) -> Mapping[TableName, ProjectItem]:
        """Loaded tables by domain and name."""
        return {
            (item.domain, item.name): item
            for item in self.build.items
            if item.kind == "table" and self.build.key(item) in self.partitions
        }

    @cached_property
    def needs_ack(self) -> frozenset[str]:
        """Domains that wait for a global ack file."""
        return frozenset(domain.name for domain in self.watch.domains if domain.needs_ack)

    def _settings_of(self, domain: str) -> JobOptions:
        """Return the options of a domain: its DAG configuration may set another pre-load strategy."""
        settings = self.build.settings
        refs = {item.metadata.get("dagRef") for (name, _), item in self.tables.items() if name == domain}
        ref = refs.pop() if len(refs) == 1 else None
        config = self.build.translated.project.model.dag_configs.get(str(ref)) if ref else None
        strategy = config.options.get("pre_load_strategy") if config else None
        return type(settings).over(settings, pre_load_strategy=strategy)

    @staticmethod
    def _tell(
        context: SensorEvaluationContext, waiting: Waiting, decision: FileDecision, known: FileMemory | None
    ) -> None:
        problems = waiting.problems
        if problems and not decision.requests and decision.memory == known:
            raise (
                problems[0]
                if len(problems) == 1
                else StarlakeError(
                    f"{len(problems)} problems with the files that wait", cause="\n".join(map(str, problems))
                )
            )
        log = _compat.log_of(context)
        for problem in problems:
            log.error(str(problem))
        for complaint in decision.complaints:
            log.warning(complaint)
        for request in decision.requests:
            log.info(f"{'.'.join(request.table)}: {len(request.files)} file(s), such as {request.files[0].name}")

    def _result(self, decision: FileDecision, runs: AskedRuns, context: SensorEvaluationContext) -> SensorResult:
        memory = decision.memory
        groups, refused = self._groups(decision.requests, context)
        requests = [self._run_request(group, tables, memory, runs) for group, tables in groups.items()]
        cursor = replace(memory, asked=memory.asked - refused).written()
        if requests:
            return SensorResult(run_requests=requests, cursor=cursor)
        return SensorResult(skip_reason=SkipReason(_reason(decision)), cursor=cursor)

    def _run_request(
        self, group: Group, requests: Sequence[TableRequest], memory: FileMemory, runs: AskedRuns
    ) -> RunRequest:
        partitions, key = group
        items = [self.tables[request.table] for request in requests]
        digests = sorted(request.digest for request in requests)
        keys = [self.build.key(item) for item in self._with_downstream(items, partitions)]
        return RunRequest(
            run_key=digest_of(self.name, str(memory.serial), key or "", *digests),
            asset_selection=[*keys, *rejected_keys(self.build, keys)],
            partition_key=key,
            tags=runs.tags(memory.serial, requests),
        )

    def _groups(
        self, requests: Sequence[TableRequest], context: SensorEvaluationContext
    ) -> tuple[Mapping[Group, list[TableRequest]], frozenset[str]]:
        """Divide tables into runs: one for all, and one for each further partition.

        Returns:
            The runs, and the hashes of the tables without a partition to load.
        """
        groups: dict[Group, list[TableRequest]] = defaultdict(list)
        refused = set()
        for request in requests:
            partitions = self.partitions[self.build.key(self.tables[request.table])]
            try:
                keys = self._partition_keys(request, partitions, context.instance)
            except StarlakeError as error:
                _compat.log_of(context).error(str(error))
                refused.add(request.digest)
                continue
            for key in keys:
                groups[partitions, key].append(request)
        first = next((group for group in groups if group[0] is not None), None)
        if first is not None:  # a run for a partition also materializes tables without partitions
            groups[first] += groups.pop((None, None), [])
        return groups, frozenset(refused)

    def _partition_keys(
        self, request: TableRequest, partitions: PartitionsDefinition[str] | None, instance: DagsterInstance
    ) -> list[str | None]:
        """Return the partitions of files.

        Raises:
            StarlakeError: If there is no partition yet, or if that of the translator does not exist.
        """
        if partitions is None:
            return [None]
        table = ".".join(request.table)
        found: set[str] = set()
        for file in request.files:
            key = self.build.translated.partition_of(file)
            if key is None:
                key = newest_partition(partitions, table, instance)
            elif not has_partition(partitions, key, instance):
                raise StarlakeError(
                    f"{file.name} is for the partition {key} of {table}, which does not exist",
                    fix="correct partition_of of the translator, or the start_date of the partitions",
                )
            found.add(key)
        return [*sorted(found)]

    def _with_downstream(
        self, tables: Iterable[ProjectItem], partitions: PartitionsDefinition[str] | None
    ) -> list[ProjectItem]:
        """Return items with all selected items downstream, except those with other partitions."""
        reached: set[Target] = {item.target for item in tables}
        found = []
        for item in self.build.items:  # each after its dependencies
            fits = self.partitions.get(self.build.key(item), ...) in (None, partitions)
            if item.target in reached or (fits and reached.intersection(item.upstream)):
                reached.add(item.target)
                found.append(item)
        return found


def _reason(decision: FileDecision) -> str:
    known = f"the files of {decision.known} table(s) were asked for before" if decision.known else ""
    return "; ".join(filter(None, ("no new files", known, *decision.waits)))
