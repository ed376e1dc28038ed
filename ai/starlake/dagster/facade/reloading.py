"""Reload the code location of a facade when the metadata of its project change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from dagster import SensorEvaluationContext, SensorResult, SkipReason

from ai.starlake.common import StarlakeError
from ai.starlake.common.extras import require_package
from ai.starlake.common.redaction import Redactor
from ai.starlake.common.secrets import resolved_text
from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.dagster_features import quiet
from ai.starlake.project.assets.content_watch import ContentWatch

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeSettings
    from ai.starlake.project.assets.starlake_project import StarlakeProject

Evaluation = Callable[[SensorEvaluationContext], SensorResult]

_PATIENCE = 30
"""Timeout in seconds of a reload: Dagster ends a tick after sixty."""
_SHOWN = 20
_LONGEST = 500
_SHORTEST_SECRET = 4
_UNREACHED = (
    "The code location {} was reloaded, but this process still has the definitions from before the change. If that "
    "stays so, restart its code server: a reload does not reach it."
)
_FAILED = "The project has changed, but the code location {} could not be reloaded: {}. The next ticks try it again."
_reloads = Lock()
_reloaded: dict[tuple[str, str], str] = {}
"""Files of each project, by its folder, at the last reload. A reload ends this process, unless reloads do not reach the
code server; two facades of one code location reload it once."""


@dataclass(frozen=True)
class ReloadReport:
    """Result of a change of the project.

    Args:
        message: The message.
        reloaded: True if the code location was reloaded now, so that the next tick has the new definitions.
    """

    message: str
    reloaded: bool = False


class CodeLocationReload:
    """Reloads the code location when the project has changed, is valid, and makes definitions.

    Args:
        settings: The settings of the facade: the URL of Dagster's webserver.
        project: The project that the definitions were made from.
        remake: Creates the definitions again, from the current project.
    """

    def __init__(self, settings: FacadeSettings, project: StarlakeProject, remake: Callable[[], object]) -> None:
        self._settings = settings
        self._project = project
        self._remake = remake
        self._watch: ContentWatch | None = None
        self._judged = ("", "")
        self._told = ("", "")

    def look(self, context: SensorEvaluationContext) -> ReloadReport | None:
        """Reload the code location if the project has changed; return None if there is nothing to report.

        An obstacle to a reload is reported and logged, once for each change. It never fails the tick.

        Args:
            context: The context of the tick.
        """
        if not self._settings.graphql_host:
            return None
        location = self._settings.code_location or _compat.code_location_of_tick(context)
        try:
            self._watch = self._watch or ContentWatch(self._project)
            content = self._watch.look()
        except Exception as error:  # noqa: BLE001  files may be replaced concurrently; drivers have their own errors
            return self._report(context, "", f"The project cannot be read: {_first_line(error)}")
        asked = _reloaded.get((location, self._project.root))
        if content.is_read and asked in {None, content.files}:
            return None
        return self._act(context, location, content.files)

    def _act(self, context: SensorEvaluationContext, location: str, files: str) -> ReloadReport:
        problem = self._problem(files)
        if problem:
            return self._report(context, files, f"The project has changed, but its definitions stay: {problem}")
        if not location:
            return self._report(context, files, "The project has changed, but the code location has no name to reload.")
        with _reloads:
            if _reloaded.get((location, self._project.root)) == files:
                return self._report(context, files, _UNREACHED.format(location))
            failure = reload_location(self._settings, location)
            if failure is None:
                _reloaded[location, self._project.root] = files
        if failure is not None:
            return self._report(context, files, _FAILED.format(location, failure))
        message = f"The project has changed. The code location {location} was reloaded."
        _compat.log_of(context).info(message)
        return ReloadReport(message, reloaded=True)

    def _problem(self, files: str) -> str:
        """Return the problem of the project; empty if there is none."""
        if self._judged[0] != files:
            self._judged = (files, self._problem_now())
        return self._judged[1]

    def _problem_now(self) -> str:
        from ai.starlake.project import validate  # its import takes longer than a tick should

        found = validate(self._project.root, environment=self._project.environment, options=self._project.options)
        errors = [str(finding) for finding in found if finding.is_error]
        if errors:
            count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
            more = [f"and {len(errors) - _SHOWN} more"] if len(errors) > _SHOWN else []
            return "\n".join([f"validate finds {count}", *errors[:_SHOWN], *more])
        try:
            self._remake()
        except Exception as error:  # noqa: BLE001  a translator may raise any error, which would break the reload
            return f"they cannot be made\n{str(error)[: 4 * _LONGEST]}"
        return ""

    def _report(self, context: SensorEvaluationContext, files: str, message: str) -> ReloadReport:
        """Report a message, and log it unless it was logged for the same change."""
        if self._told != (files, message):
            self._told = (files, message)
            _compat.log_of(context).warning(message)
        return ReloadReport(message)


def with_reload(reload: CodeLocationReload, evaluate: Evaluation) -> Evaluation:
    """Return the evaluation of a sensor that first reloads its code location if the project has changed.

    Args:
        reload: Reloads the code location.
        evaluate: The evaluation; it is left to the next tick, with the new definitions, if the code location reloads.
    """

    def tick(context: SensorEvaluationContext) -> SensorResult:
        report = reload.look(context)
        if report is None:
            return evaluate(context)
        if report.reloaded:
            return SensorResult(skip_reason=SkipReason(report.message), cursor=context.cursor)
        return _told_with(evaluate(context), report.message)

    return tick


def _told_with(result: SensorResult, message: str) -> SensorResult:
    """Return the result of a tick with one more message, if it is a skip reason."""
    if result.run_requests:
        return result
    said = result.skip_reason.skip_message if result.skip_reason else None
    reason = SkipReason("\n".join(filter(None, (said, message))))
    with quiet():
        return SensorResult(skip_reason=reason, cursor=result.cursor, asset_events=result.asset_events)


def reload_location(settings: FacadeSettings, location: str) -> str | None:
    """Ask Dagster's webserver to reload a code location; return the reason if it did not, else None.

    Args:
        settings: The URL of the webserver, and further arguments of the client.
        location: The name of the code location.
    """
    try:
        arguments = _arguments(settings)
    except StarlakeError as error:
        return _first_line(error)
    redactor = Redactor(_secrets_of(arguments))
    try:
        from dagster_graphql import DagsterGraphQLClient

        client = DagsterGraphQLClient(settings.graphql_host or "", settings.graphql_port, **arguments)
        found = client.reload_repository_location(location)
    except Exception as error:  # noqa: BLE001  the client, its transport and requests have errors of their own
        return redactor.mask(_first_line(_root_of(error)))
    if found.status.name == "SUCCESS":
        return None
    kind = "it does not load" if found.failure_type == "PythonError" else str(found.failure_type)
    return redactor.mask(f"{kind}: {(found.message or '').strip()[:_LONGEST]}")


def _arguments(settings: FacadeSettings) -> dict[str, Any]:
    """Return the further arguments of the client, with resolved references.

    Raises:
        StarlakeError: If the client is not installed, or if a header refers to a missing secret.
    """
    require_package("dagster_graphql", "reloading a code location", "dagster")
    arguments: dict[str, Any] = {"timeout": _PATIENCE, **settings.graphql_kwargs}
    headers = arguments.get("headers")
    if headers:
        label = "a header of dagster_graphql_kwargs"
        arguments["headers"] = {name: resolved_text(value, label=label)[0] for name, value in headers.items()}
    return arguments


def _secrets_of(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values of headers, and the credentials of an authentication."""
    texts = [*(arguments.get("headers") or {}).values(), *getattr(arguments.get("auth"), "__dict__", {}).values()]
    for text in texts:
        if isinstance(text, str):
            yield from (
                part for part in (text, text.rpartition(" ")[2]) if len(part) >= _SHORTEST_SECRET
            )  # "Bearer .."


def _root_of(error: BaseException) -> BaseException:
    """Return the root cause of an error: the client wraps it in a message that repeats its query."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _first_line(error: BaseException) -> str:
    """Return an error for display: the message of one of this project, or the kind and the first line of another."""
    text = str(error).strip()
    if isinstance(error, StarlakeError):
        return "; ".join(text.splitlines())[:_LONGEST]
    return f"{type(error).__name__}: {text.partition(chr(10))[0]}".rstrip(": ")[:_LONGEST]
