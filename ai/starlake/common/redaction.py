"""Keeps secrets out of whatever people read: logs, events, metadata, errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"

_SHORTEST_LINE = 6
"""Characters of the shortest line of a secret of several lines that is masked on its own."""

_SECRET_NAME = re.compile(
    r"passw|pwd|secret|token|credential|api_?key|private_?key|access_?key|secret_?key", re.IGNORECASE
)
_NAMED_VALUE = re.compile(
    rf"""(["']?\w*(?:{_SECRET_NAME.pattern})\w*["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,;&}}]+)""",
    re.IGNORECASE,
)


def names_a_secret(name: str) -> bool:
    """Tells whether a variable of that name is likely to hold a secret, such as ``DB_PASSWORD``."""
    return _SECRET_NAME.search(name) is not None


def mask_named_values(text: str) -> str:
    """Masks the values in a text that stand behind a name that speaks of a secret.

    >>> mask_named_values('{"DB_PASSWORD": "x", "SL_ROOT": "/p"}')
    '{"DB_PASSWORD": ***, "SL_ROOT": "/p"}'
    """
    if not names_a_secret(text):  # the common case, and far cheaper to find out
        return text
    return _NAMED_VALUE.sub(lambda match: match[1] + MASK, text)


class Redactor:
    """Replaces known secret values by a mask.

    Args:
        secrets: The values to hide; empty ones hide nothing.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        written = {form for secret in secrets for form in _written_forms(secret)}
        longest_first = sorted(written, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if written else None

    def mask(self, text: str) -> str:
        """Returns the text with every secret in it replaced."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def _written_forms(secret: str) -> set[str]:
    """A secret as it may turn up: as it is, in JSON, in a URL, and line by line (output is read in lines).

    The brackets of a key file in JSON are lines of it, too; to mask every bracket would make output unreadable.
    """
    lines = secret.splitlines()
    telling = lines if len(lines) == 1 else [line for line in lines if len(line.strip()) >= _SHORTEST_LINE]
    forms = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), *telling}
    return {form.strip() for form in forms if form.strip()}
