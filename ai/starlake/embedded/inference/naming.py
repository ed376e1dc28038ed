r"""Names and patterns from the name of a file.

>>> table_name("orders-20260101.csv"), file_pattern("orders-20260101.csv")
('orders', 'orders-.*\\.csv')
"""

from __future__ import annotations

import re
from pathlib import PurePath

_CHANGING = re.compile(r"(?<![A-Za-z0-9])\d+(?:[-_.T:]?\d+)*Z?(?![A-Za-z0-9])")
"""Parts that differ between deliveries: dates, times, numbers that are separate words."""
_SPECIAL = re.compile(r"([\\.\[\]{}()*+?^$|])")


def table_name(file_name: str) -> str:
    """Return the name of the table for a file: the words of its name without dates and numbers.

    Args:
        file_name: The name without its folder.

    Returns:
        Letters, digits and underscores; empty if the name has no words.
    """
    words = re.sub(r"\W+", "_", _CHANGING.sub("_", _stem(file_name)))
    name = re.sub(r"_{2,}", "_", words).strip("_")
    return f"t_{name}" if name[:1].isdigit() else name


def file_pattern(file_name: str) -> str:
    r"""Return a Java regular expression that a file and its later deliveries match.

    Dates and numbers become ``.*``; a name without any may continue before its extension.

    >>> file_pattern("orders.csv")
    'orders.*\\.csv'
    """
    stem = _stem(file_name)
    fixed = [_escaped(part) for part in _CHANGING.split(stem)]
    pattern = ".*".join(fixed) if len(fixed) > 1 else f"{fixed[0]}.*"
    return pattern + _escaped(file_name[len(stem) :])


def _stem(file_name: str) -> str:
    suffix = PurePath(file_name).suffix
    return file_name.removesuffix(suffix) if not suffix[1:].isdigit() else file_name


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
