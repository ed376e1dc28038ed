"""Preconditions of Cloud Storage requests that gcp-storage-emulator ignores."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

_COPY = r"/(?:rewriteTo|copyTo)/b/(?P<to>[^/]+)/o/(?P<as>[^/]+)"
_OBJECT = re.compile(rf"/b/(?P<bucket>[^/]+)/o(?:/(?P<name>[^/]+))?(?:{_COPY})?$")
_LONGEST = 64 * 1024
_FIELDS = {"GenerationMatch": "generation", "MetagenerationMatch": "metageneration"}


def unmet(path: str, body: bytes, storage: Any) -> str | None:
    """Return the first condition of a request that is not met; None when all are.

    A condition compares the generation of an object, 0 standing for none, with a number: ``ifGenerationMatch`` that of
    the object that the request is about (the copy that it makes), ``ifSourceGenerationMatch`` that of what it copies.

    Args:
        path: The path of the request with its query.
        body: Its body, whose beginning may tell the name of a new object.
        storage: The storage of the emulator.
    """
    parts = urlsplit(path)
    place = _OBJECT.search(parts.path)
    if place is None:
        return None
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    source = place["bucket"], place["name"] or query.get("name") or _name_in(body)
    target = (place["to"], place["as"]) if place["to"] else source
    for prefix, (bucket, name) in (("if", target), ("ifSource", source)):
        for condition, field in _FIELDS.items():
            wanted = query.get(f"{prefix}{condition}")
            if wanted is not None and wanted != _value(storage, unquote(bucket), unquote(name), field):
                return f"{prefix}{condition}"
    return None


def _name_in(body: bytes) -> str:
    """Return the name in the description of a new object, with which the body of an upload begins."""
    try:
        described = json.JSONDecoder().raw_decode(body[body.index(b"{") :][:_LONGEST].decode("utf-8", "replace"))[0]
    except ValueError:
        return ""
    return quote(str(described.get("name", "")), safe="")


def _value(storage: Any, bucket: str, name: str, field: str) -> str:
    from gcp_storage_emulator.exceptions import NotFound

    try:
        return str(storage.get_file_obj(bucket, name)[field])
    except NotFound:
        return "0"
