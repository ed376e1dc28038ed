"""Privacy: transformation of a string before it is stored.

Starlake validates the algorithms but does not apply them; here they work as documented.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ai.starlake.common import PermanentError
from ai.starlake.embedded.checking.python_functions import SHA512
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.project import Attribute

_HASHES = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256", "SHA512": SHA512}
_INITIALS = (
    r"""list_aggregate(list_transform(regexp_extract_all({0}, '\S+'), lambda w: w[1] || '.'), 'string_agg', '')"""
)
_APPROX = "CAST(CAST({0} AS DOUBLE) * (0.8 + random() * 0.4) AS BIGINT)"


@dataclass(frozen=True)
class Algorithm:
    """An algorithm that hides a value.

    Args:
        name: Its name in upper case.
        text: Returns the SQL of the hidden string for the SQL of the string.
        numeric: True if it works on numbers instead of strings.
    """

    name: str
    text: Callable[[str], str]
    numeric: bool = False

    def fits(self, column: str) -> bool:
        """Return True if a column of this type can store the result."""
        return column in {"BIGINT", "INTEGER"} if self.numeric else column in {"VARCHAR", "TEXT", "STRING"}

    def apply(self, text: str, convert: Callable[[str], str]) -> str:
        """Return SQL of the hidden value; null stays null."""
        if self.numeric:
            return f"CASE WHEN {convert(text)} IS NOT NULL THEN {self.text(convert(text))} END"
        return f"CASE WHEN {text} IS NOT NULL THEN {self.text(text)} END"


def expression(attribute: Attribute) -> str | None:
    """Return the SQL expression of an attribute's ``privacy``; None if it is an algorithm or empty.

    It is evaluated after scripts, on the renamed columns, as in Starlake.
    """
    value = (attribute.privacy or "").strip()
    if value[:4].upper() == "SQL:":
        return value[4:].strip()
    return value if re.match(r"^[^(]* [^(]*\(", value) else None


def algorithm(attribute: Attribute) -> Algorithm | None:
    """Return the algorithm of an attribute's ``privacy``; None if it is empty or a SQL expression.

    Raises:
        StarlakeError: If the algorithm does not exist.
    """
    name = (attribute.privacy or "").strip().upper()
    if not name or name == "NONE" or expression(attribute) is not None:
        return None
    if name in _HASHES:
        function = _HASHES[name]
        return Algorithm(name, lambda text: f"{function}({text})")
    hidden = re.fullmatch(r"HIDE(?:(\d+)(\S)?)?", name)
    if hidden:
        character = (attribute.privacy or "").strip()[-1] if hidden[2] else "X"
        return Algorithm(name, lambda _: literal(character * int(hidden[1] or 0)))
    if name == "INITIALS":
        return Algorithm(name, lambda text: f"coalesce({_INITIALS.format(text)}, '')")
    if name == "APPROXLONG20":
        return Algorithm(name, _APPROX.format, numeric=True)
    raise PermanentError(
        f"the attribute {attribute.name!r} has the unknown privacy {attribute.privacy!r}",
        fix="use NONE, HIDE, MD5, SHA1, SHA256, SHA512, INITIALS, APPROXLONG20, or SQL: and an expression",
    )
