"""Reject limits: a number of rows, or a percentage of the rows read."""

# Annotations are evaluated here: pydantic 2.5 looks up their names in the module of the model with such a field.
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_FORM = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<percent>%?)")


@dataclass(frozen=True)
class RejectLimit:
    """Maximum number of rejected rows.

    Args:
        number: Number of rows, or percent of the rows read.
        percent: True if the number is a percentage.
    """

    number: Decimal
    percent: bool = False

    @classmethod
    def of(cls, value: Any) -> "RejectLimit":
        """Parse a limit: ``5`` is rows, ``10%`` a percentage.

        Raises:
            ValueError: If it is neither; the message names the accepted forms.
        """
        if isinstance(value, cls):
            return value
        found = None if isinstance(value, bool) else _FORM.fullmatch(str(value).strip())
        if found is None:
            raise ValueError(f"{value!r} is neither a number of rows, such as 5, nor a percentage, such as 10%")
        number, percent = Decimal(found["number"]), bool(found["percent"])
        if percent and number > 100:  # noqa: PLR2004  100 percent
            raise ValueError(f"{value!r} is more than 100%")
        if not percent and number != int(number):
            raise ValueError(f"{value!r} is not a whole number of rows; write {value}% for a percentage")
        return cls(number, percent)

    def allows(self, rejected: int, rows: int) -> bool:
        """Return True if the number of rejected rows is within the limit.

        Args:
            rejected: Number of rejected rows.
            rows: Number of rows read.
        """
        return rejected * 100 <= self.number * rows if self.percent else rejected <= self.number

    def __str__(self) -> str:
        """Return the limit in the form that files and options use."""
        return f"{self.number}{'%' if self.percent else ''}"
