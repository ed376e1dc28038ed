"""Selection of items in Starlake's terms.

========================  ==================================================================
``shop``                  all tables and tasks of a domain
``shop.orders``           one table or task
``shop.*``, ``*.order?``  those with matching names
``tag:daily``             those with a tag, which may be a pattern
``+shop.orders``          with all upstream items
``shop.orders+``          with all downstream items
``2+shop.orders+1``       with two steps up and one step down
========================  ==================================================================

Several selections, in one string or in a list, add up. Case does not matter.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from ai.starlake.common import StarlakeError
from ai.starlake.project.assets.project_item import ProjectItem, Target
from ai.starlake.project.findings import nearest

Words = str | Iterable[str]
_WORD = re.compile(r"(?P<up>\d*\+)?(?P<name>[^+]+?)(?P<down>\+\d*)?")
_GLOB = re.compile(r"[*?\[]")
_TAG = "tag:"


def select_items(
    items: Sequence[ProjectItem], select: Words | None = None, exclude: Words | None = None
) -> tuple[ProjectItem, ...]:
    """Return the selected items, in their order.

    Args:
        items: All items of the project.
        select: The selection; all by default.
        exclude: The selection to leave out.

    Raises:
        StarlakeError: If a selection matches nothing, with the nearest existing name, if `select` is empty, or if
            `exclude` leaves nothing.
    """
    if select is None and exclude is None:
        return tuple(items)
    if select is not None and not any(_split(select)):
        raise StarlakeError("the selection is empty", fix="leave select out to choose all tables and tasks")
    graph = _ItemGraph(items)
    chosen = {item.target for item in items} if select is None else graph.chosen(select)
    left = chosen - (set() if exclude is None else graph.chosen(exclude))
    if chosen and not left:
        raise StarlakeError(f"exclude={exclude!r}: there is no table and no task left", fix="exclude less")
    return tuple(item for item in items if item.target in left)


class _ItemGraph:
    def __init__(self, items: Sequence[ProjectItem]) -> None:
        self._items = items
        self._up: Mapping[Target, tuple[Target, ...]] = {item.target: item.upstream for item in items}
        self._down: dict[Target, list[Target]] = defaultdict(list)
        for item in items:
            for parent in item.upstream:
                self._down[parent].append(item.target)

    def chosen(self, words: Words) -> set[Target]:
        chosen: set[Target] = set()
        for word in _split(words):
            chosen |= self._word(word)
        return chosen

    def _word(self, word: str) -> set[Target]:
        found = _WORD.fullmatch(word)
        if found is None:
            raise StarlakeError(
                f"{word!r} is not a selection",
                fix="write domain, domain.table, tag:name or a pattern, with + before it or after it",
            )
        start = {item.target for item in self._items if _matcher(found["name"])(item)}
        if not start:
            raise self._unknown(found["name"], word)
        up = self._reach(start, lambda target: self._up.get(target, ()), found["up"])
        down = self._reach(start, lambda target: self._down.get(target, ()), found["down"])
        return start | up | down

    @staticmethod
    def _reach(start: set[Target], beside: Callable[[Target], Iterable[Target]], operator: str | None) -> set[Target]:
        """Return the items that can be reached in the operator's number of steps: all for a ``+`` alone."""
        if operator is None:
            return set()
        digits = operator.strip("+")
        left = int(digits) if digits else -1
        reached, edge = set(start), set(start)
        while edge and left != 0:
            edge = {each for target in edge for each in beside(target)} - reached
            reached |= edge
            left -= 1
        return reached

    def _unknown(self, name: str, word: str) -> StarlakeError:
        known = list(_tags(self._items) if name.lower().startswith(_TAG) else _names(self._items))
        within = f" in {word!r}" if word != name else ""
        return StarlakeError(
            f"{name!r}{within} selects nothing of the project",
            fix=nearest(name, known) or "write domain, domain.table, tag:name or a pattern such as sales*",
        )


def _split(words: Words) -> Iterator[str]:
    for text in [words] if isinstance(words, str) else words:
        yield from text.split()


def _matcher(name: str) -> Callable[[ProjectItem], bool]:
    wanted = name.lower()
    if wanted.startswith(_TAG):
        tag = wanted.removeprefix(_TAG)
        return lambda item: any(_fits(tag, each.lower()) for each in item.tags)
    return lambda item: any(_fits(wanted, each.lower()) for each in _names([item]))


def _fits(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern) if _GLOB.search(pattern) else name == pattern


def _names(items: Iterable[ProjectItem]) -> Iterator[str]:
    """Yield the names of items: of domains and of tables, in the metadata and in the database."""
    for item in items:
        yield from (item.domain, item.full_name, item.target[0], ".".join(item.target))


def _tags(items: Iterable[ProjectItem]) -> Iterator[str]:
    return (f"{_TAG}{tag}" for item in items for tag in item.tags)
