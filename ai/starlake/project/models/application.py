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
    """A database or file system for rows. See `Connection` in Starlake's `Settings.scala`."""

    name: Text = ""
    """Name that ``connectionRef`` refers to."""
    type: Text = "jdbc"
    """Kind of database: ``jdbc``, ``duckdb``, ``bigquery``, ``fs``, ..."""
    loader: Text | None = None
    """Reader of files into this database; that of the application by default."""
    spark_format: Text | None = None
    """Data source of Spark; the embedded engine ignores it."""
    quote: Text | None = None
    """Quote of identifiers in SQL."""
    separator: Text | None = None
    """Separator between the parts of a name in SQL."""
    options: TextMap = Field(default_factory=dict, repr=False)
    """Options of the driver, including passwords: never shown."""
    transpile_dialect: Text | None = Field(default=None, alias="_transpileDialect")
    """Dialect that Starlake translates SQL into."""

    @property
    def url(self) -> str | None:
        """The JDBC URL, if there is one."""
        return self.options.get("url")

    @property
    def is_duckdb(self) -> bool:
        """True if this is a DuckDB database, which the embedded engine can write to."""
        return (self.url or "").strip().lower().startswith("jdbc:duckdb:") or self.type.lower() == "duckdb"


class Audit(Model):
    """Settings of the audit: its database, and whether it is active. See `Audit` in Starlake's `Settings.scala`."""

    active: bool = True
    """True if loads and transforms are recorded; rejects are recorded in any case."""
    domain: Text = "audit"
    """Schema of the tables ``audit`` and ``rejected``."""
    domain_expectation: Text | None = None
    """Schema of the table ``expectations``; `domain` by default."""
    domain_rejected: Text | None = None
    """Schema of the table ``rejected``; `domain` by default."""
    database: Text | None = None
    """Database of the schema, for databases that have several."""
    sink: Sink = Sink()
    """Connection of the audit; that of the application by default."""
    max_errors: int = 100
    """Maximum number of recorded rejects of a job."""
    detailed_load_audit: bool = False
    """True if a load of several files is recorded with a row for each."""
    path: Text | None = None
    """Folder of the audit in Starlake; ignored by the embedded engine."""
    sql: Text | None = None
    """Statement that Starlake runs for the audit; ignored by the embedded engine."""


class DagRef(Model):
    """Default DAG configurations of tables and tasks."""

    load: Text | None = None
    """DAG configuration of tables that name none."""
    transform: Text | None = None
    """DAG configuration of tasks that name none."""


class Area(Model):
    """Names, absolute paths or URIs of the areas. See Starlake's `DatasetArea.scala`."""

    incoming: Text = "incoming"
    """Default landing area."""
    stage: Text = "stage"
    """Files that wait to be loaded."""
    unresolved: Text = "unresolved"
    """Files that match no table."""
    archive: Text = "archive"
    """Loaded files."""
    ingesting: Text = "ingesting"
    """Files that are being loaded."""
    replay: Text = "replay"
    """Rejected rows in the format of their file."""
    hive_database: Text | None = None
    """Database of Hive in Starlake; ignored by the embedded engine."""


class Expectations(Model):
    """Settings of expectations: whether they are checked, and whether a failed one fails the job."""

    active: bool = True
    """True if expectations are checked."""
    fail_on_error: bool = False
    """True if a failed expectation may fail the load or the task."""
    path: Text | None = None
    """Folder of recorded results in Starlake; ignored by the embedded engine."""


class Privacy(Model):
    """The project's own privacy algorithms: class by name."""

    options: TextMap = Field(default_factory=dict)
    """Class of Starlake by the name of the algorithm."""


class Application(FileModel):
    """Settings of a project, with equivalent environment variables (``SL_ARCHIVE``, ...) applied.

    Names and defaults are those of `AppConfig` in Starlake's `Settings.scala`, and of its `reference-general.conf`.
    """

    connection_ref: Text = ""
    """Connection of all rows, and of the audit."""
    load_connection_ref: Text = ""
    """Connection of loads; `connection_ref` by default."""
    transform_connection_ref: Text = ""
    """Connection of tasks; `connection_ref` by default."""
    connections: dict[str, Connection] = Field(default_factory=dict)
    """Connection by name."""
    loader: Loader = Loader.SPARK
    """Reader of files; a table's ``metadata`` takes precedence."""
    audit: Audit = Audit()
    """Settings of the audit."""
    dag_ref: DagRef = DagRef()
    """Default DAG configurations."""
    schedule_presets: TextMap = Field(default_factory=dict)
    """Cron expression by name, besides those of Starlake."""
    area: Area = Area()
    """Names of the areas."""
    env: Text = ""
    """Name of the profile, as ``SL_ENV``."""
    datasets: Text | None = None
    """Folder of the areas; ``datasets`` in the project by default."""
    incoming: Text | None = None
    """Landing area as variable ``SL_INCOMING``."""
    ack: Text | None = None
    """Extension of ack files; none by default. A table's ``metadata`` takes precedence."""
    archive: bool = True
    """True if loaded files are moved to the archive area; otherwise they are deleted."""
    grouped: bool = False
    """True if all waiting files of a table are loaded together; a table's ``metadata`` takes precedence."""
    grouped_max: int = 1_000_000
    """Maximum number of files that are loaded together."""
    load_strategy_class: Text | None = None
    """Class of Starlake that orders waiting files: by time, or by name for ``...IngestionNameStrategy``."""
    empty_is_null: bool = True
    """True if empty strings are null; a table's ``metadata`` takes precedence."""
    replace_invalid_bytes: bool = False
    """True if invalid bytes of a file's encoding are loaded as U+FFFD, as by Starlake."""
    cut_long_rows: bool = False
    """True if surplus values of a DSV row are left out, as by Starlake."""
    fail_on_misspelled_columns: bool = False
    """True if a DSV header with both unknown and missing columns is an error instead of a warning."""
    expectations: Expectations = Expectations()
    """Settings of expectations."""
    reject_all_on_error: bool = False
    """True if one rejected row fails the load."""
    reject_with_value: bool = False
    """True if the reasons for rejects contain the rejected values."""
    max_rejected: MaxRejected | None = None
    """Maximum number of rejected rows per file before its load fails; a table's ``metadata`` takes precedence."""
    drop_columns: bool = False
    """True if loads drop columns that the attributes no longer name; a table's ``metadata`` takes precedence."""
    sink_replay_to_file: bool = False
    """True if rejected rows are also written to the replay area."""
    validate_on_load: bool = False
    """True if findings about the project are printed before each command."""
    dsv_options: TextMap = Field(default_factory=dict)
    """Reader options of all DSV files; they take precedence over those of a table."""
    timezone: Text = "UTC"
    """IANA name of the time zone of schedules and dates."""
    database: Text = ""
    """Default database of tables, for databases that have several."""
    tenant: Text = ""
    """Value of the column TENANT of the audit."""
    access: Text | None = None
    """Default access policy in Starlake; ignored by the embedded engine."""
    privacy: Privacy = Privacy()
    """Privacy algorithms of the project."""
    scd2_start_timestamp: Text = "sl_start_ts"
    """SCD2: column with the start of a version."""
    scd2_end_timestamp: Text = "sl_end_ts"
    """SCD2: column with the end of a version."""
    job_id_env_name: Text | None = None
    """Name of the variable with the job id of the audit, instead of ``SL_JOB_ID``."""
    duckdb_mode: bool = False
    """True if all rows are written to one DuckDB file, whatever the connections."""
    duckdb_path: Text | None = None
    """DuckDB file of `duckdb_mode`; ``duckdb.db`` in the folder of the areas by default."""
    max_unpacked_size: ByteSize = ByteSize(20_000_000_000)
    """Maximum total size of the files in one archive, such as ``20GB``; a setting of the embedded engine only."""
    missing_folders: Literal["error", "empty"] = "error"
    """Treatment of a missing landing or stage area; Starlake treats it as empty."""
    undefined_variables: UndefinedVariables = UndefinedVariables.ERROR
    """Treatment of variables that nothing defines."""
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
