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
"""The schedule presets that every project has. Those of Starlake's command line: a week begins on Monday.

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
"""Keys that Starlake knows and that change nothing here: they configure Spark, its server, or repeat a variable."""


class Connection(Model):
    """A database or file system that rows are written to."""

    name: Text = ""
    type: Text = "jdbc"
    loader: Text | None = None
    spark_format: Text | None = None
    quote: Text | None = None
    separator: Text | None = None
    options: TextMap = Field(default_factory=dict, repr=False)
    """What the driver needs, passwords included: never shown."""
    transpile_dialect: Text | None = Field(default=None, alias="_transpileDialect")

    @property
    def url(self) -> str | None:
        """The JDBC address, if there is one."""
        return self.options.get("url")

    @property
    def is_duckdb(self) -> bool:
        """True if this is a DuckDB database, which the embedded engine can write to."""
        return (self.url or "").strip().lower().startswith("jdbc:duckdb:") or self.type.lower() == "duckdb"


class Audit(Model):
    """Where and whether jobs are recorded."""

    active: bool = True
    domain: Text = "audit"
    domain_expectation: Text | None = None
    domain_rejected: Text | None = None
    database: Text | None = None
    sink: Sink = Sink()
    max_errors: int = 100
    """How many rejected rows of a job are kept."""
    detailed_load_audit: bool = False
    path: Text | None = None
    sql: Text | None = None


class DagRef(Model):
    """The names of the DAG configurations that tables and tasks use unless they name their own."""

    load: Text | None = None
    transform: Text | None = None


class Area(Model):
    """The names, absolute paths or addresses of the areas that files pass through."""

    incoming: Text = "incoming"
    stage: Text = "stage"
    unresolved: Text = "unresolved"
    archive: Text = "archive"
    ingesting: Text = "ingesting"
    replay: Text = "replay"
    hive_database: Text | None = None


class Expectations(Model):
    """True if expectations are checked, and whether one that is not met fails the job."""

    active: bool = True
    fail_on_error: bool = False
    path: Text | None = None


class Privacy(Model):
    """The project's own privacy algorithms: name to class."""

    options: TextMap = Field(default_factory=dict)


class Application(FileModel):
    """The settings of a project, environment variables of the same meaning (``SL_ARCHIVE``, ...) already applied."""

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
    """True if bytes that are not in the encoding of a file are loaded as U+FFFD, as Starlake loads them."""
    cut_long_rows: bool = False
    """True if values of a DSV row that are more than the file has columns are left out, as Starlake leaves them out."""
    fail_on_misspelled_columns: bool = False
    """True if a DSV header that has unknown columns and lacks others is an error rather than a warning."""
    expectations: Expectations = Expectations()
    reject_all_on_error: bool = False
    reject_with_value: bool = False
    max_rejected: MaxRejected | None = None
    """How many rows of a file may be rejected before its load fails; a table's ``metadata`` takes precedence."""
    drop_columns: bool = False
    """True if loads drop columns that the attributes no longer name; a table's ``metadata`` takes precedence."""
    sink_replay_to_file: bool = False
    validate_on_load: bool = False
    dsv_options: TextMap = Field(default_factory=dict)
    """Options of the reader of all DSV files; they win over those of a table."""
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
    """How large the files in one archive may be together, as in ``20GB``; a setting of the embedded engine only."""
    missing_folders: Literal["error", "empty"] = "error"
    """What a landing or stage area that does not exist is; Starlake takes it for an empty one."""
    undefined_variables: UndefinedVariables = UndefinedVariables.ERROR
    unknown_keys: UnknownKeys = UnknownKeys.ERROR
    """What a key of another file that nobody reads means; one of the application is an error, as it is for Starlake."""

    @field_validator("connections", mode="after")
    @classmethod
    def _named(cls, value: dict[str, Connection]) -> dict[str, Connection]:
        return {name: connection.model_copy(update={"name": name}) for name, connection in value.items()}

    @property
    def files_by_name(self) -> bool:
        """True if waiting files are loaded in the order of their names rather than of their modification times."""
        return (self.load_strategy_class or "").endswith("IngestionNameStrategy")

    def load_refs(self, own: str | None = None) -> tuple[str | None, ...]:
        """Return the names of connections that the rows of a table may go to; the first one that is given counts.

        Args:
            own: What the sink of the table names.
        """
        return own, self.load_connection_ref, self.connection_ref

    def task_refs(self, sink: str | None = None, own: str | None = None) -> tuple[str | None, ...]:
        """Return the names of connections that the rows of a task may go to; the first one that is given counts.

        Args:
            sink: What the sink of the task names.
            own: What the task itself names.
        """
        return sink, own, self.transform_connection_ref, self.connection_ref

    @property
    def audit_refs(self) -> tuple[str | None, ...]:
        """The names of connections that the audit may go to; the first one that is given counts."""
        return self.audit.sink.connection_ref, self.connection_ref

    def cron(self, schedule: str | None) -> str | None:
        """Return the cron expression that a ``schedule`` stands for.

        Args:
            schedule: A cron expression, or the name of a preset of the project or of Starlake.

        Returns:
            The expression; None without a schedule, and for ``None`` written out.
        """
        if not schedule or schedule.lower() == "none":
            return None
        return self.schedule_presets.get(schedule) or BUILTIN_SCHEDULES.get(schedule) or schedule
