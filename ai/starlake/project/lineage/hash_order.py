"""Order of Starlake's diagrams and numbered schedules: that of a hash map of Scala 2.13.

So both engines write the same order and the same names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_BITS = 5
"""Number of bits of a hash that select the branch at each level of the map."""
_HASH = 32


def hash_order(names: Iterable[str]) -> list[str]:
    """Return distinct names in the order of the keys of ``scala.collection.immutable.HashMap``.

    >>> hash_order(["shop.rows", "base.clean", "mart.a"])
    ['mart.a', 'base.clean', 'shop.rows']
    """
    return _in_order([(_improved(_java_hash(name)), name) for name in dict.fromkeys(names)], 0)


def _in_order(entries: Sequence[tuple[int, str]], shift: int) -> list[str]:
    """Return ordered entries: those alone on their branch first, then branches with more, by branch number."""
    if len(entries) < 2 or shift >= _HASH:  # noqa: PLR2004
        return [name for _, name in entries]
    branches: dict[int, list[tuple[int, str]]] = {}
    for entry in entries:
        branches.setdefault(entry[0] >> shift & ((1 << _BITS) - 1), []).append(entry)
    ordered = [branches[number] for number in sorted(branches)]
    alone = [branch[0][1] for branch in ordered if len(branch) == 1]
    return alone + [name for branch in ordered if len(branch) > 1 for name in _in_order(branch, shift + _BITS)]


def _java_hash(text: str) -> int:
    """Return ``String.hashCode``, as an unsigned number."""
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for place in range(0, len(units), 2):
        value = (31 * value + int.from_bytes(units[place : place + 2], "big")) % (1 << _HASH)
    return value


def _improved(value: int) -> int:
    """Return a hash improved as in Scala's maps, so that all of its bits matter (``scala.collection.Hashing``)."""
    whole = 1 << _HASH
    value = (value + ~(value << 9)) % whole
    value ^= value >> 14
    value = (value + (value << 4)) % whole
    return value ^ value >> 10
