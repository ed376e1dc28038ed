"""Configuration of a DAG run, and the options in its triggering events."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from difflib import get_close_matches
from typing import Any

from ai.starlake.airflow.task_runs.triggering_events import TriggeringEvent, events_of_run
from ai.starlake.common import StarlakeError
from ai.starlake.job.command import option_text
from ai.starlake.job.sections import check_sections, names_of_section, options_of
from ai.starlake.orchestration.dates.run_dates import ConfiguredDates

logger = logging.getLogger(__name__)

OPTIONS = "options"
SL_OPTIONS = "sl_options"
SL_OPTIONS_MERGE = "sl_options_merge"
ALL = "all"

_DATES = ("logical_datetime", "previous_logical_datetime")
_WHERE = "dag_run.conf"
_KEYS = ("dry_run", OPTIONS, SL_OPTIONS, *_DATES)
_NEAR = 0.85


@dataclass(frozen=True)
class RunConf:
    """The configuration in `dag_run.conf`, as far as it is for commands.

    The keys are those of the configuration of Dagster ops - ``logical_datetime``, ``previous_logical_datetime``,
    ``dry_run``, ``options`` - and ``sl_options``, in the form of Starlake's own files: ``{"all": {...}, "domain.task":
    {...}}``. Other keys are ignored.

    Args:
        values: The configuration.
    """

    values: Mapping[str, Any]

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> RunConf:
        """Return the configuration of the run of a task.

        Args:
            context: The context of the task.

        Raises:
            StarlakeError: If a key is similar to one of ours: a run that was meant to be dry must not run commands.
        """
        values = getattr(context["dag_run"], "conf", None) or {}
        for name in values:
            near = get_close_matches(str(name).lower().replace("-", "_"), _KEYS, n=1, cutoff=_NEAR)
            if name not in _KEYS and near:
                raise StarlakeError(
                    f"{name} in {_WHERE} is not known",
                    fix=f"write {near[0]}, or name it less alike if it is for others",
                )
        return cls(values)

    @property
    def is_dry_run(self) -> bool:
        """True if commands are logged instead of run.

        Raises:
            StarlakeError: If the value is neither true nor false: a run that was meant to be dry must not run commands.
        """
        value = self.values.get("dry_run", False)
        if isinstance(value, str) and value.lower() in ("true", "false", ""):
            return value.lower() == "true"
        if isinstance(value, bool) or value is None:
            return bool(value)
        raise StarlakeError(
            f"dry_run in {_WHERE} is {value!r}",
            cause="so it is unknown whether commands are to be run",
            fix="set it to true, to log the commands, or to false, to run them",
        )

    def dates(self, zone: tzinfo) -> ConfiguredDates:
        """Return the dates in it.

        Args:
            zone: The time zone of dates without an offset.

        Raises:
            StarlakeError: If a value is not a date.
        """
        return ConfiguredDates.of(self._dates(), zone)

    def _dates(self) -> Iterator[tuple[str, str, str]]:
        for key in _DATES:
            value = self.values.get(key)
            if value is None or value == "":
                continue
            if not isinstance(value, str):
                raise StarlakeError(
                    f"{key} in {_WHERE} is {value!r}, which is not a date",
                    fix="write it as a string, as in 2026-03-01 or 2026-03-01T06:30:00+00:00",
                )
            yield _WHERE, key, value

    def options(self) -> Mapping[str, Any]:
        """Return the plain options, and sections.

        Raises:
            StarlakeError: If they are not a mapping.
        """
        return _mapping(self.values.get(OPTIONS), f"{OPTIONS} in {_WHERE}")

    def sl_options(self) -> Mapping[str, Mapping[str, str]]:
        """Return the sections of ``sl_options``.

        Raises:
            StarlakeError: If they are not mappings, or if a value is not valid for an option.
        """
        return _sections(self.values.get(SL_OPTIONS), f"{SL_OPTIONS} in {_WHERE}")


def options_of_task(context: Mapping[str, Any], names: Iterable[str], subjects: Iterable[str] = ()) -> dict[str, str]:
    """Return the options for one task; later ones take precedence.

    They are those of the triggering events, then ``options`` and ``sl_options`` of `dag_run.conf`; in each, the plain
    ones - ``all`` in ``sl_options`` - come before those of sections. A section for something that the DAG does not have
    is logged: a configuration may be meant for several DAGs.

    Args:
        context: The context of the task.
        names: The names of sections for the task, the most specific one last.
        subjects: Further known names, in addition to those of the tasks of the DAG.

    Raises:
        StarlakeError: If the name of a section is similar to one in the DAG, if a value is not valid for an option, or
            if the triggering events contradict each other.
    """
    names = list(names)
    conf = RunConf.of(context)
    given = [options_of_events(events_of_run(context)), conf.options(), plain_options(conf.sl_options())]
    found: dict[str, str] = {}
    for options in given:
        _check(options, context, (*names, *subjects))
        found |= options_of(options, names)
    return found


def options_of_events(events: Iterable[TriggeringEvent]) -> Mapping[str, Any]:
    """Return the options in the ``sl_options`` of events' extra: the plain ones, and sections.

    Args:
        events: The triggering events of a run, oldest first.

    Raises:
        StarlakeError: If two events have different values of an option, and the newest one has no true value of
            ``sl_options_merge``, by which the value of the newest event takes precedence.
    """
    events = list(events)
    merge = bool(events) and _is_true(events[-1].extra.get(SL_OPTIONS_MERGE))
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for event in events:
        for section, options in _sections(event.extra.get(SL_OPTIONS), _of_event(event)).items():
            known = found.setdefault(section, {})
            for name, text in options.items():
                if not merge and known.get(name, ("", text))[1] != text:
                    raise _disagreement(section, name, known[name][0], event.asset)
                known[name] = event.asset, text
    sections = {section: {name: text for name, (_, text) in known.items()} for section, known in found.items()}
    return plain_options(sections)


def _disagreement(section: str, name: str, first: str, second: str) -> StarlakeError:
    return StarlakeError(
        f"events of assets {first} and {second} have different values of option {section}.{name}",
        cause="they have triggered one run together, which can have one value only",
        fix=f"trigger a run for each value, with {SL_OPTIONS} in its configuration; or let the newest event take "
        f"precedence, by {SL_OPTIONS_MERGE}: true in its extra",
    )


def _check(options: Mapping[str, Any], context: Mapping[str, Any], own: Iterable[str]) -> None:
    if not any(isinstance(value, Mapping) for value in options.values()):
        return
    dag = context["dag"]
    for name in check_sections(options, section_names(dag) | set(own), f"DAG {dag.dag_id}", strict=False):
        logger.warning("the options under %r are for no table, task or op of DAG %s", name, dag.dag_id)


def section_names(dag: Any) -> frozenset[str]:
    """Return the valid names of sections of options in the runs of a DAG.

    Args:
        dag: The DAG.
    """
    found: set[str] = set()
    for task in dag.tasks:
        found.add(task.task_id)
        subject = getattr(task, "subject", None)
        if isinstance(subject, str):
            found.update(names_of_section(subject, task.task_id))
    return frozenset(found)


def plain_options(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return sections in the form of `options_of`: the options of section ``all`` are the plain ones.

    Args:
        sections: Sections, as in ``sl_options``.
    """
    return {**sections.get(ALL, {}), **{name: options for name, options in sections.items() if name != ALL}}


def _sections(value: Any, culprit: str) -> dict[str, dict[str, str]]:
    sections = _mapping(value, culprit)
    return {
        section: {
            name: option_text(f"{section}.{name}", value)
            for name, value in _mapping(options, f"section {section} of {culprit}").items()
        }
        for section, options in sections.items()
    }


def _mapping(value: Any, culprit: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    raise StarlakeError(
        f"{culprit} is {value!r}, which is not a mapping", fix='write options as in {"all": {"country": "FR"}}'
    )


def _of_event(event: TriggeringEvent) -> str:
    return f"{SL_OPTIONS} in the extra of an event of asset {event.asset}"


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")
