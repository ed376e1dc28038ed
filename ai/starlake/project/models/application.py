"""The settings of a project: ``metadata/application.sl.yml``."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from pydantic import ByteSize, Field, field_validator

from ai.starlake.project.models.base import FileModel, MaxRejected, Model, Text, TextMap
from ai.starlake.project.models.enums import Loader, UndefinedVariables, UnknownKeys
from ai.starlake.project.models.write_options import Sink

BUILTIN_SCHEDULES = MappingProxyType(
    {
        "hourly": "0 * * * *",
        "daily": "0 0 * * *",
        "weekly": "0 0 * * 1",
        "monthly": "0 0 1 * *",
        "yearly": "0 0 1 1 *",
    }
)
"""Schedule presets of every project, from Starlake's command line: a week begins on Monday.

The data cycles of its orchestration library have the same names, but their weeks begin on Sunday.
"""

UNUSED_KEYS = frozenset(
    {
        "accessPolicies",
        "archiveTable",
        "archiveTablePattern",
        "autoExportSchema",
        "createSchemaIfNotExists",
        "csvOutput",
        "csvOutputExt",
        "dags",
        "defaultAuditWriteFormat",
        "defaultFormat",
        "defaultRejectedWriteFormat",
        "defaultWriteFormat",
        "duckDbEnableExternalAccess",
        "duckdbEnableExternalAccess",
        "duckdbExtensions",
        "duckdbHome",
        "duckdbSecretHome",
        "extra",
        "forceDomainPattern",
        "forceHalt",
        "forceJobPattern",
        "forceTablePattern",
        "forceTaskPattern",
        "forceViewPattern",
        "gizmosql",
        "hadoop",
        "hiveInTest",
        "http",
        "internal",
        "jdbcEngines",
        "kafka",
        "loadStrategies",
        "lock",
        "longJobTimeoutMs",
        "macros",
        "maxInteractiveRecords",
        "maxParCopy",
        "maxParTask",
        "metadata",
        "metrics",
        "onExceptionRetries",
        "privacyOnly",
        "prunePartitionOnMerge",
        "pythonLibsDir",
        "refs",
        "rejectMaxRecords",
        "root",
        "rowValidatorClass",
        "sessionDurationServe",
        "shortJobTimeoutMs",
        "spark",
        "sparkScheduling",
        "sqlParameterPattern",
        "syncSqlWithYaml",
        "syncYamlWithDb",
        "testCsvNullString",
        "tests",
        "treeValidatorClass",
        "types",
        "udfs",
        "useLocalFileSystem",
        "version",
        "writeStrategies",
    }
)
"""Keys of Starlake without effect here: they configure Spark or its server, or repeat a variable."""


class Connection(Model):
    """A database or file system for rows."""

    name: Text = ""
    type: Text = "jdbc"
    loader: Text | None = None
    spark_format: Text | None = None
    quote: Text | None = None
    separator: Text | None = None
    options: TextMap = Field(default_factory=dict, repr=False)
    """Options of the driver, including passwords: never shown."""
    transpile_dialect: Text | None = Field(default=None, alias="_transpileDialect")

    @property
    def url(self) -> str | None:
        """The JDBC URL, if there is one."""
        return self.options.get("url")

    @property
    def is_duckdb(self) -> bool:
        """True if this is a DuckDB database, which the embedded engine can write to."""
        return (self.url or "").strip().lower().startswith("jdbc:duckdb:") or self.type.lower() == "duckdb"


class Audit(Model):
    """Settings of the audit: its database, and whether it is active."""

    active: bool = True
    domain: Text = "audit"
    domain_expectation: Text | None = None
    domain_rejected: Text | None = None
    database: Text | None = None
    sink: Sink = Sink()
    max_errors: int = 100
    """Maximum number of recorded rejects of a job."""
    detailed_load_audit: bool = False
    path: Text | None = None
    sql: Text | None = None


class DagRef(Model):
    """Default DAG configurations of tables and tasks."""

    load: Text | None = None
    transform: Text | None = None


class Area(Model):
    """Names, absolute paths or URIs of the areas."""

    incoming: Text = "incoming"
    stage: Text = "stage"
    unresolved: Text = "unresolved"
    archive: Text = "archive"
    ingesting: Text = "ingesting"
    replay: Text = "replay"
    hive_database: Text | None = None


class Expectations(Model):
    """Settings of expectations: whether they are checked, and whether a failed one fails the job."""

    active: bool = True
    fail_on_error: bool = False
    path: Text | None = None


class Privacy(Model):
    """The project's own privacy algorithms: class by name."""

    options: TextMap = Field(default_factory=dict)


class Application(FileModel):
    """Settings of a project, with equivalent environment variables (``SL_ARCHIVE``, ...) applied."""

    connection_ref: Text = ""
    load_connection_ref: Text = ""
    transform_connection_ref: Text = ""
    connections: dict[str, Connection] = Field(default_factory=dict)
    loader: Loader = Loader.SPARK
    audit: Audit = Audit()
    dag_ref: DagRef = DagRef()
    schedule_presets: TextMap = Field(default_factory=dict)
    area: Area = Area()
    env: Text = ""
    datasets: Text | None = None
    incoming: Text | None = None
    ack: Text | None = None
    archive: bool = True
    grouped: bool = False
    grouped_max: int = 1_000_000
    load_strategy_class: Text | None = None
    empty_is_null: bool = True
    replace_invalid_bytes: bool = False
    """True if invalid bytes of a file's encoding are loaded as U+FFFD, as by Starlake."""
    cut_long_rows: bool = False
    """True if surplus values of a DSV row are left out, as by Starlake."""
    fail_on_misspelled_columns: bool = False
    """True if a DSV header with both unknown and missing columns is an error instead of a warning."""
    expectations: Expectations = Expectations()
    reject_all_on_error: bool = False
    reject_with_value: bool = False
    max_rejected: MaxRejected | None = None
    """Maximum number of rejected rows per file before its load fails; a table's ``metadata`` takes precedence."""
    drop_columns: bool = False
    """True if loads drop columns that the attributes no longer name; a table's ``metadata`` takes precedence."""
    sink_replay_to_file: bool = False
    validate_on_load: bool = False
    dsv_options: TextMap = Field(default_factory=dict)
    """Reader options of all DSV files; they take precedence over those of a table."""
    timezone: Text = "UTC"
    database: Text = ""
    tenant: Text = ""
    access: Text | None = None
    privacy: Privacy = Privacy()
    scd2_start_timestamp: Text = "sl_start_ts"
    scd2_end_timestamp: Text = "sl_end_ts"
    job_id_env_name: Text | None = None
    duckdb_mode: bool = False
    duckdb_path: Text | None = None
    max_unpacked_size: ByteSize = ByteSize(20_000_000_000)
    """Maximum total size of the files in one archive, such as ``20GB``; a setting of the embedded engine only."""
    missing_folders: Literal["error", "empty"] = "error"
    """Treatment of a missing landing or stage area; Starlake treats it as empty."""
    undefined_variables: UndefinedVariables = UndefinedVariables.ERROR
    unknown_keys: UnknownKeys = UnknownKeys.ERROR
    """Treatment of unknown keys in other files; one in the application is an error, as in Starlake."""

    @field_validator("connections", mode="after")
    @classmethod
    def _named(cls, value: dict[str, Connection]) -> dict[str, Connection]:
        return {name: connection.model_copy(update={"name": name}) for name, connection in value.items()}

    @property
    def files_by_name(self) -> bool:
        """True if waiting files are loaded in the order of their names instead of their modification times."""
        return (self.load_strategy_class or "").endswith("IngestionNameStrategy")

    def load_refs(self, own: str | None = None) -> tuple[str | None, ...]:
        """Return the possible connections of a table's rows; the first given one applies.

        Args:
            own: The connection of the table's sink.
        """
        return own, self.load_connection_ref, self.connection_ref

    def task_refs(self, sink: str | None = None, own: str | None = None) -> tuple[str | None, ...]:
        """Return the possible connections of a task's rows; the first given one applies.

        Args:
            sink: The connection of the task's sink.
            own: The connection of the task itself.
        """
        return sink, own, self.transform_connection_ref, self.connection_ref

    @property
    def audit_refs(self) -> tuple[str | None, ...]:
        """The possible connections of the audit; the first given one applies."""
        return self.audit.sink.connection_ref, self.connection_ref

    def cron(self, schedule: str | None) -> str | None:
        """Return the cron expression of a ``schedule``.

        Args:
            schedule: A cron expression, or the name of a preset of the project or of Starlake.

        Returns:
            The expression; None without a schedule, and for the string ``None``.
        """
        if not schedule or schedule.lower() == "none":
            return None
        return self.schedule_presets.get(schedule) or BUILTIN_SCHEDULES.get(schedule) or schedule
