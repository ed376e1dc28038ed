"""Reasons for rejects, with their counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ai.starlake.common.outcomes.table_outcomes import RejectReason

_MOST_REASONS = 10
_LONGEST_REASON = 300
_LINE = re.compile(r"^line \d+: ")
_OF_VALUES = (
    "  can't be null",
    " is required",
    " input and privacy output type are not compatible",
    r" \([^)]*\) doesn't match pattern `.*?`",
    " cannot be converted to `[^`]*` with sl type `[^`]*`",
    " expected to be .*?",
    " is not an array",
)
_OF_ROWS = (r"the row goes on to line \d+ within quotes; set metadata\.multiline: true", "[^:]*")
_REASON = re.compile(rf"(?P<value>`[^`]*`(?:{'|'.join(_OF_VALUES)}))(?:: .*)?$|(?P<row>{'|'.join(_OF_ROWS)})")
"""A reason, without the value or the row at fault that follows it: a column may be private."""


def reject_reasons(errors: Iterable[str]) -> tuple[RejectReason, ...]:
    """Return the most frequent reasons in the errors of rejected rows; a row may have several.

    Args:
        errors: The error of each row, as in ``audit.rejected``, or without its frame.
    """
    found: Counter[str] = Counter()
    for error in errors:
        text = error.removeprefix("ERR -> \n").partition("\n\nFILE -> ")[0]
        found.update(list(dict.fromkeys(_reasons(text))))
    return _most_frequent(found)


def _reasons(error: str) -> Iterator[str]:
    """Yield the reasons of one row: that of the whole row, or those of its values, which may span several lines."""
    first, *rest = _LINE.sub("", error).split("\n")
    if not first.startswith("`"):
        rest = []
    for line in (first, *rest):
        found = _REASON.match(line)
        if found and (found["value"] or line is first):
            yield found[0 if found["row"] else "value"].strip()[:_LONGEST_REASON]


def added_reasons(*parts: Sequence[RejectReason]) -> tuple[RejectReason, ...]:
    """Return the most frequent of several lists of reasons, with equal reasons added up."""
    found: Counter[str] = Counter()
    for each in (reason for part in parts for reason in part):
        found[each.reason] += each.rows
    return _most_frequent(found)


def _most_frequent(found: Counter[str]) -> tuple[RejectReason, ...]:
    return tuple(RejectReason(reason, rows) for reason, rows in found.most_common(_MOST_REASONS))
