"""Lists that are answered page by page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TypeVar

from starlake_gcp_emulator.errors import invalid

T = TypeVar("T")


def page(items: Sequence[T], size: int, token: str, *, most: int) -> tuple[Sequence[T], str]:
    """One page of a list, and the token of the next one.

    Args:
        items: All of them.
        size: Page size that the caller asks for; 0 for the default of the service.
        token: Start of the page, from an earlier page.
        most: Maximum page size of the service.

    Raises:
        RpcError: If the size is negative or the token is not one of ours.
    """
    if size < 0:
        raise invalid(f"Invalid page size {size}")
    start = _offset(token)
    end = start + min(size or most, most)
    return items[start:end], base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(items) else ""


def _offset(token: str) -> int:
    try:
        offset = int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError:
        offset = -1
    if offset < 0:
        raise invalid(f"Invalid page token {token!r}")
    return offset
