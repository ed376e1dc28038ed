"""Privacy: what becomes of a text before it is stored.

Starlake checks the algorithms and applies none of them; here they do what the documentation
says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ai.starlake.common import StarlakeError
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
    """A way to hide a value.

    Args:
        name: Its name in upper case.
        text: Makes the SQL of the hidden text out of the SQL of the text.
        numeric: Whether it works on numbers rather than on texts.
    """

    name: str
    text: Callable[[str], str]
    numeric: bool = False

    def fits(self, column: str) -> bool:
        """Return True if what comes out can be stored in a column of this type."""
        return column in {"BIGINT", "INTEGER"} if self.numeric else column in {"VARCHAR", "TEXT", "STRING"}

    def apply(self, text: str, convert: Callable[[str], str]) -> str:
        """Return SQL of the hidden value; null stays null."""
        if self.numeric:
            return f"CASE WHEN {convert(text)} IS NOT NULL THEN {self.text(convert(text))} END"
        return f"CASE WHEN {text} IS NOT NULL THEN {self.text(text)} END"


def expression(attribute: Attribute) -> str | None:
    """Return the SQL expression that an attribute's ``privacy`` holds, None when it names an algorithm or nothing.

    It is evaluated after scripts, on the renamed columns, as in Starlake.
    """
    value = (attribute.privacy or "").strip()
    if value[:4].upper() == "SQL:":
        return value[4:].strip()
    return value if re.match(r"^[^(]* [^(]*\(", value) else None


def algorithm(attribute: Attribute) -> Algorithm | None:
    """Return the algorithm that an attribute's ``privacy`` names, or None if it is empty or a SQL expression.

    Raises:
        StarlakeError: If it names one that does not exist.
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
    raise StarlakeError(
        f"the attribute {attribute.name!r} has the unknown privacy {attribute.privacy!r}",
        fix="use NONE, HIDE, MD5, SHA1, SHA256, SHA512, INITIALS, APPROXLONG20, or SQL: and an expression",
    )
