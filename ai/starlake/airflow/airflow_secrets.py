"""Secrets in Airflow: fields of Variables and Connections, from any secrets backend."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import JoinedReference, SecretReference, field_of
from ai.starlake.executor.process.interrupts import interrupts_held

if TYPE_CHECKING:
    from airflow.sdk import Connection

_FIELDS = ("password", "login", "host", "port", "schema", "uri", "extra")
_FORMS = (
    "{{ var.value.key }}, {{ var.json.key.field }}, {{ conn.id.password }} (or login, host, port, schema, get_uri(), "
    "extra_dejson.key)"
)
_NOWHERE = (
    "neither a secrets backend, nor the environment, nor the database of Airflow has it; the database is not asked "
    "outside of a task, and the log above says it if a backend did not answer"
)
_NAME = r"[\w-]+"
_TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_VARIABLE = re.compile(rf"var\.value\.({_NAME})", re.ASCII)
_JSON = re.compile(rf"var\.json\.({_NAME})((?:\.{_NAME})+)", re.ASCII)
_CONNECTION = re.compile(
    rf"conn\.({_NAME})\.(password|login|host|port|schema|get_uri\(\)|extra_dejson\.{_NAME})", re.ASCII
)
_JINJA = re.compile(r"\{\{|\{%|\{#|\}\}|%\}")


@dataclass(frozen=True)
class VariableReference:
    """The value of an Airflow Variable, read in the process of the task.

    Args:
        key: The key of the Variable.
        field: The field of its value, which must be a JSON object; nested names are joined by dots.
    """

    key: str
    field: str | None = None

    def resolve(self) -> str:
        """Read the value from Airflow.

        Raises:
            StarlakeError: If there is no such Variable, or it has no such field. A retry does not help.
        """
        from airflow.sdk import Variable

        label = f"the Variable {self.key} of Airflow"
        with interrupts_held():
            value = Variable.get(self.key, default=None)
        if value is None:
            raise _missing(
                f"{label} does not exist",
                cause=_NOWHERE,
                fix=f"set it, as by `airflow variables set {self.key} ...`, or correct the key in sl_env_var",
            )
        text = str(value)
        for name in self.field.split(".") if self.field else ():
            text = field_of(text, name, label)
        return text


@dataclass(frozen=True)
class ConnectionReference:
    """A field of an Airflow Connection, read in the process of the task.

    Args:
        connection: The id of the Connection.
        field: ``password``, ``login``, ``host``, ``port``, ``schema``, ``uri``, or ``extra.`` and a key of its extra.

    Raises:
        StarlakeError: If there is no such field.
    """

    connection: str
    field: str = "password"

    def __post_init__(self) -> None:
        name, _, key = self.field.partition(".")
        if name not in _FIELDS or (name == "extra") != bool(key):
            raise StarlakeError(
                f"a Connection of Airflow has no field {self.field!r}",
                fix=f"use one of {', '.join(_FIELDS[:-1])}, extra.<key>",
            )

    def resolve(self) -> str:
        """Read the field from Airflow.

        Raises:
            StarlakeError: If there is no such Connection, or its field is empty. A retry does not help.
        """
        value = self._field_of(self._connection())
        if value is None or value == "":
            raise _missing(
                f"the Connection {self.connection} of Airflow has no {self.field}",
                fix="fill in the field, or correct the reference in sl_env_var",
            )
        return value if isinstance(value, str) else json.dumps(value)

    def _connection(self) -> Connection:
        from airflow.sdk import Connection
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            with interrupts_held():
                found: Connection = Connection.get(self.connection)
        except AirflowNotFoundException:
            raise _missing(
                f"the Connection {self.connection} of Airflow does not exist",
                cause=_NOWHERE,
                fix=f"add it, as by `airflow connections add {self.connection} ...`, or correct the id in sl_env_var",
            ) from None
        return found

    def _field_of(self, connection: Connection) -> Any:
        name, _, key = self.field.partition(".")
        if name == "extra":
            return connection.extra_dejson.get(key)
        if name == "uri":
            return connection.get_uri()
        return getattr(connection, name)


def reference_of_template(name: str, value: Any) -> Any:
    """Return the reference for the Jinja in a value; any other value unchanged.

    Nothing is rendered: a rendered value would be written to Airflow's database.

    Args:
        name: The variable of `sl_env_var`, for messages.
        value: The user's value.

    Raises:
        StarlakeError: If it contains Jinja that is not a reference.
    """
    if not isinstance(value, str) or not _JINJA.search(value):
        return value
    parts = _parts(name, value)
    if len(parts) == 1:
        return parts[0]
    return JoinedReference(tuple(parts))


def _parts(name: str, value: str) -> list[str | SecretReference]:
    """Return the strings and the references in a value."""
    parts: list[str | SecretReference] = []
    position = 0
    for found in _TEMPLATE.finditer(value):
        parts += [value[position : found.start()], _reference(name, found[1])]
        position = found.end()
    parts.append(value[position:])
    if any(isinstance(part, str) and _JINJA.search(part) for part in parts):
        raise _not_understood(name)
    return [part for part in parts if part != ""]


def _reference(name: str, expression: str) -> SecretReference:
    if found := _VARIABLE.fullmatch(expression):
        return VariableReference(found[1])
    if found := _JSON.fullmatch(expression):
        return VariableReference(found[1], found[2][1:])
    if found := _CONNECTION.fullmatch(expression):
        field = found[2].replace("extra_dejson.", "extra.").replace("get_uri()", "uri")
        return ConnectionReference(found[1], field)
    raise _not_understood(name)


def _not_understood(name: str) -> StarlakeError:
    return StarlakeError(
        f"option sl_env_var: the Jinja in the value of {name} is not understood",
        cause=f"values are not rendered; understood are {_FORMS}, alone or within a longer value",
        fix='use one of these forms, or a reference such as {"variable": "key"}',
    )


def _missing(culprit: str, *, cause: str | None = None, fix: str) -> StarlakeError:
    error = StarlakeError(culprit, cause=cause, fix=fix)
    error.permanent = True
    return error
