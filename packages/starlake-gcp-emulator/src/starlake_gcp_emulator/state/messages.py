"""Protocol buffers, whether Google's library wraps them (proto-plus) or not."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message

M = TypeVar("M")


def plain(message: Any) -> Message:
    """Return the protocol buffer inside a wrapper; a protocol buffer as it is."""
    wrapped = getattr(type(message), "pb", None)
    return wrapped(message) if wrapped is not None else message


def new(kind: type[M]) -> tuple[M, Message]:
    """Return an empty message, and the protocol buffer to fill it by."""
    message = kind()
    return message, plain(message)


def copy(message: M) -> M:
    """Return a message of its own with the same content."""
    twin, buffer = new(type(message))
    buffer.CopyFrom(plain(message))
    return twin


def packed(message: Any) -> any_pb2.Any:
    """Return a message in an envelope that tells its type."""
    envelope = any_pb2.Any()
    envelope.Pack(plain(message))
    return envelope


def as_dict(message: Any) -> dict[str, Any]:
    """Return the fields that are set, by their names in the protocol."""
    return dict(json_format.MessageToDict(plain(message), preserving_proto_field_name=True))
