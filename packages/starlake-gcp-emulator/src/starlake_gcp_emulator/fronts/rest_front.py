"""The services over REST, on a free port of the loopback interface."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from starlake_gcp_emulator.errors import RpcError, invalid, not_found
from starlake_gcp_emulator.fronts.control import PREFIX, Control
from starlake_gcp_emulator.fronts.dispatcher import Dispatcher
from starlake_gcp_emulator.fronts.loopback import LoopbackServer
from starlake_gcp_emulator.methods import Method, Route
from starlake_gcp_emulator.state.messages import new, plain

_FIELD = re.compile(r"\{([\w.]+)(?:=([^}]*))?\}")
_SYSTEM = {"alt", "$alt", "prettyPrint", "key", "quotaUser", "fields", "access_token", "$.xgafv", "uploadType"}
"""Parameters that every service of Google takes beside those of the method."""


@dataclass(frozen=True)
class Address:
    """A route that can be matched.

    Args:
        method: Method that it calls.
        route: The route.
        pattern: Pattern that a path must match.
        fields: Names of the groups of the pattern, in order.
    """

    method: Method
    route: Route
    pattern: re.Pattern[str]
    fields: tuple[str, ...]


def address(method: Method, route: Route) -> Address:
    """Make a route matchable."""
    pattern = ""
    position = 0
    for found in _FIELD.finditer(route.template):
        segments = (found[2] or "*").split("*")
        pattern += re.escape(route.template[position : found.start()])
        pattern += f"({'[^/:]+'.join(map(re.escape, segments))})"
        position = found.end()
    pattern += re.escape(route.template[position:])
    return Address(method, route, re.compile(pattern), tuple(found[1] for found in _FIELD.finditer(route.template)))


class RestFront:
    """A server of REST, without transport security and without credentials.

    Requests are read strictly: a field that the message does not have, or a value of another type, is refused.

    Args:
        methods: Methods to serve.
        dispatcher: Dispatcher that answers calls.
        control: Answers tests in other processes.
        port: Port to listen on; 0 for any free port.

    Raises:
        StarlakeError: If the port is taken.
    """

    def __init__(self, methods: Iterable[Method], dispatcher: Dispatcher, control: Control, port: int = 0) -> None:
        addresses = [address(method, route) for method in methods for route in method.routes]

        class RestHandler(_Handler):
            """Answers the requests of this server."""

            front = _Translator(addresses, dispatcher, control)

        self._server = LoopbackServer(port, RestHandler, "gcp-emulator-rest")
        self.port = self._server.port

    def stop(self) -> None:
        """End the server."""
        self._server.stop()


class _Translator:
    """From HTTP to calls and back."""

    def __init__(self, addresses: list[Address], dispatcher: Dispatcher, control: Control) -> None:
        self._addresses = addresses
        self._dispatcher = dispatcher
        self._control = control

    def answer(self, verb: str, url: str, body: bytes) -> tuple[int, str]:
        """Return the status and the body for a request."""
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if parts.path.startswith(PREFIX):
            return self._control.answer(verb, parts.path, dict(query), body)
        try:
            text = self._answer(verb, parts.path, query, body)
        except RpcError as error:
            told = {"code": error.code.http, "message": error.message, "status": error.code.name}
            return error.code.http, json.dumps({"error": told})
        return 200, text

    def _answer(self, verb: str, path: str, query: list[tuple[str, str]], body: bytes) -> str:
        for known in self._addresses:
            found = known.pattern.fullmatch(path) if known.route.verb == verb else None
            if found:
                fields = dict(zip(known.fields, map(unquote, found.groups()), strict=True))
                response = self._dispatcher.call(known.method, _request(known, fields, query, body))
                as_numbers = "enum-encoding=int" in dict(query).get("$alt", "")
                return str(json_format.MessageToJson(plain(response), use_integers_for_enums=as_numbers))
        raise not_found(f"There is no method at {verb} {path}")


def _request(known: Address, path: Mapping[str, str], query: list[tuple[str, str]], body: bytes) -> Any:
    """Return the request message that HTTP carried."""
    message, buffer = new(known.method.request)
    fields: dict[str, Any] = {}
    if known.route.body == "*":
        fields = _object(body)
    elif known.route.body:
        fields[known.route.body] = _object(body)
    elif body.strip() not in (b"", b"{}"):
        raise invalid("This method takes no body")
    for name, value in query:
        if name not in _SYSTEM:
            _put(fields, name, value, buffer.DESCRIPTOR)
    for name, value in path.items():
        _put(fields, name, value, buffer.DESCRIPTOR)
    try:
        json_format.ParseDict(fields, buffer)
    except json_format.ParseError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    return message


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    if not isinstance(found, dict):
        raise invalid("Invalid JSON payload received. An object is expected")
    return found


def _put(fields: dict[str, Any], name: str, value: str, kind: Descriptor) -> None:
    """Set a field, of a field of a message when its name has dots."""
    head, _, rest = name.partition(".")
    field = _field(kind, head)
    if field is None:
        raise invalid(f"Invalid JSON payload received. Unknown name {head!r}: Cannot find field.")
    key = next((known for known in (field.name, field.json_name) if known in fields), field.name)
    if rest and field.message_type is not None:
        inner = fields.setdefault(key, {})
        if not isinstance(inner, dict):
            raise invalid(f"Invalid JSON payload received. {head!r} is no message")
        _put(inner, rest, value, field.message_type)
    elif _repeated(field):
        fields.setdefault(key, []).append(value)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        fields[key] = {"true": True, "false": False}.get(value, value)
    else:
        fields[key] = value


def _field(kind: Descriptor, name: str) -> FieldDescriptor | None:
    by_name = kind.fields_by_name.get(name)
    return cast("FieldDescriptor | None", by_name or kind.fields_by_camelcase_name.get(name))


def _repeated(field: FieldDescriptor) -> bool:
    is_repeated = getattr(field, "is_repeated", None)  # since protobuf 6.31, which warns of the label
    return bool(field.label == FieldDescriptor.LABEL_REPEATED if is_repeated is None else is_repeated)


class _Handler(BaseHTTPRequestHandler):
    front: _Translator
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, text = self.front.answer(self.command, self.path, body)
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815  the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: the journal tells."""
