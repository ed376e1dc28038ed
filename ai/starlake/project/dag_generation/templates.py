"""Templates of DAG files, and their common variables."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.redaction import names_a_secret
from ai.starlake.project.dag_generation import installed_templates
from ai.starlake.project.dag_generation.generated_files import DagFile
from ai.starlake.project.dag_generation.python_source import access_control, docstring, literal
from ai.starlake.project.dag_generation.schedule_names import NO_SCHEDULE
from ai.starlake.project.findings import nearest
from ai.starlake.project.models import DagConfig
from ai.starlake.project.project import Project
from ai.starlake.project.templating.rendering import UndefinedNameError, explained, new_environment, noted

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

_PROJECT = {"sl_project_id": "-1", "sl_project_name": "[noname]", "sl_airflow_access_control": "None"}
"""Name of a project outside of Starlake's own service, as in Starlake. Variables with the same names take
precedence."""

_ACCESS = "sl_airflow_access_control"

_OF_RUNS = {"ds": "{{ds}}"}
"""Variables of runs in options; they are not replaced."""


_SHARED = Path(__file__).with_name("shared_templates")
"""Parts that the templates of all orchestrators share."""

StartOf = Callable[[str, Sequence[str], str], date | None]
"""Returns the first day of the partitions of a file: by its name, its cron expressions and their time zone."""


class Templates:
    """Renders the files of a project's DAG configurations.

    A template is a file below ``metadata/dags/templates``, by its path there: ``load/own.py.j2``. It may include,
    import and extend others. Missing ones are taken from the templates of this package.

    Args:
        project: The project.
        start_of: Returns the option `start_date` of scheduled files whose configuration has none.
    """

    def __init__(self, project: Project, start_of: StartOf | None = None) -> None:
        self._project = project
        self._start_of = start_of
        self._folder = project.settings.folder("dags", "SL_DAGS") / "templates"

    def variables(self, config: DagConfig) -> frozenset[str]:
        """Return the variables in the file name of a configuration, which determine its files.

        Args:
            config: DAG configuration, one file of ``metadata/dags``.
        """
        from jinja2 import meta

        with explained(f"{config.file}: filename"):
            return frozenset(meta.find_undeclared_variables(self._environment.parse(config.filename)))

    def file_name(self, config: DagConfig, variables: Mapping[str, str]) -> str:
        """Return the rendered file name of a configuration.

        Args:
            config: DAG configuration, one file of ``metadata/dags``.
            variables: Values for the variables in its file name.
        """
        given = {**self._facts, **variables}
        text = self._project.render(config.filename, given, label=f"{config.file}: filename", file=config.file)
        return text.replace(f"_{_PROJECT['sl_project_id']}", "").strip()

    def file(self, config: DagConfig, source: str, variables: Mapping[str, str], context: Mapping[str, Any]) -> DagFile:
        """Return a rendered file.

        Args:
            config: The configuration.
            source: Source of the file, for error messages.
            variables: Variables for its file name, comment and options, in addition to the project's.
            context: Values in ``context`` besides ``config``.

        Raises:
            StarlakeError: If the template is missing or cannot be rendered, or if the file name is outside of the
                folder.
        """
        name = self.file_name(config, variables)
        whole = {"config": self._config(config, variables, name, _crons(context)), **context, **self._facts}
        as_json = json.dumps(whole, indent=2, ensure_ascii=False)
        given = {
            "context": whole,
            "env": self._env,
            "json": as_json,
            "pyjson": as_json,
            "sl_datasets": self._project.areas.datasets,
            "sl_env": self._project.settings.profile,
            "sl_root": self._project.areas.root,
        }
        template = self.path(config)
        try:
            with noted(str(template)) as missing:
                text = self._environment.get_template(config.template).render(given)
        except UndefinedNameError as error:
            self._tell(error.missing, [*given, *whole], template)
            raise
        self._tell(missing, [*given, *whole], template)
        # Starlake drops the blank lines that statements at the ends of a template leave, too
        orchestrator = installed_templates.orchestrator_of(config.template)
        return DagFile(name, text.strip() + "\n", source, orchestrator=orchestrator)

    def _tell(self, missing: Mapping[str, bool], known: Iterable[str], template: Path) -> None:
        if missing:
            own = [self._folder / name for name in self._own]
            self._project.settings.renderer.tell(missing, known, template, label=str(template), included=own)

    def _config(
        self, config: DagConfig, variables: Mapping[str, str], name: str, crons: Sequence[str]
    ) -> dict[str, Any]:
        def rendered(text: str, key: str) -> str:
            given = {**self._facts, **_OF_RUNS, **variables}
            return self._project.render(text, given, label=f"{config.file}: {key}", file=config.file)

        options = {name: rendered(value, f"options.{name}") for name, value in config.options.items()}
        options.setdefault("SL_TIMEZONE", self._project.application.timezone)
        if self._start_of and crons and "start_date" not in options and not self.is_own(config):
            start = self._start_of(name, crons, options.get("timezone") or options["SL_TIMEZONE"])
            options |= {"start_date": start.isoformat()} if start else {}
        return {
            "comment": rendered(config.comment, "comment"),
            "template": config.template,
            "options": [{"name": name, "value": value} for name, value in options.items()],
        }

    @cached_property
    def _facts(self) -> Mapping[str, str]:
        """Values for all files of the project.

        Raises:
            StarlakeError: If the access control is not a dictionary.
        """
        facts = {name: self._project.environment.get(name, value) for name, value in _PROJECT.items()}
        return {**facts, _ACCESS: access_control(facts[_ACCESS])}

    @cached_property
    def _env(self) -> list[dict[str, str]]:
        """The project's own variables, except those with names of secrets: a DAG file is deployed and read."""
        own = own_variables(self._project).items()
        return [{"name": name, "value": value} for name, value in own if not names_a_secret(name)]

    def is_own(self, config: DagConfig) -> bool:
        """Return True if the template of a configuration is the project's own, instead of one of this package.

        Args:
            config: DAG configuration, one file of ``metadata/dags``.
        """
        return config.template in self._own

    @cached_property
    def _own(self) -> list[str]:
        return installed_templates.template_names(self._folder)

    def path(self, config: DagConfig) -> Path:
        """Return the file of the template of a configuration.

        Args:
            config: DAG configuration, one file of ``metadata/dags``.

        Raises:
            StarlakeError: If the template does not exist.
        """
        if self.is_own(config):
            return self._folder / config.template
        known = installed_templates.shipped()
        if config.template in known:
            return known[config.template]
        cause, fix = installed_templates.why_missing(config.template) or (
            f"it is neither in {self._folder} nor one of this package's own",
            nearest(config.template, [*self._own, *known]) or f"write it as {self._folder / config.template}",
        )
        raise StarlakeError(f"the template {config.template} of {config.file} does not exist", cause=cause, fix=fix)

    @cached_property
    def _environment(self) -> SandboxedEnvironment:
        from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader

        files = FileSystemLoader(list(map(str, (self._folder, *installed_templates.folders().values(), _SHARED))))
        # Starlake's templates include each other as `templates/dags/load/...`, also when copied to a project
        of_starlake = PrefixLoader({"templates": files}, delimiter="/dags/")
        environment = new_environment(loader=ChoiceLoader([files, of_starlake]))
        environment.filters.update(literal=literal, docstring=docstring)
        return environment


def _crons(context: Mapping[str, Any]) -> list[str]:
    """Return the cron expressions of a file."""
    found = [context.get("cron"), *(schedule["cron"] for schedule in context.get("schedules", ()))]
    return [cron for cron in found if cron and cron != NO_SCHEDULE]


def own_variables(project: Project) -> dict[str, str]:
    """Return the variables that env files, options and Starlake itself define, by name.

    Other variables of the process's environment are not deployed or shown.

    Args:
        project: The project.
    """
    return {
        name: value
        for name, value in sorted(project.environment.items())
        if name.startswith("SL_") or os.environ.get(name) != value
    }
