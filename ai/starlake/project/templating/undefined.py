"""Undefined names in Jinja: they are empty, and recorded. Imports jinja2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from jinja2 import ChainableUndefined

_noted: ContextVar[dict[str, bool] | None] = ContextVar("noted", default=None)


@contextmanager
def noting() -> Iterator[dict[str, bool]]:
    """Collect undefined names in templates within the ``with`` statement, in order.

    Each has a flag that is True if it is used, and False if it is only compared.
    """
    names: dict[str, bool] = {}
    token = _noted.set(names)
    try:
        yield names
    finally:
        _noted.reset(token)


class NotedUndefined(ChainableUndefined):
    """An undefined name.

    It is empty wherever it is used, and each use except a test is recorded: ``{% if x %}``, ``{{ x is defined }}``,
    ``{{ x | default('') }}`` and ``{{ x or '' }}`` are tests.
    """

    __slots__ = ()

    def _note(self, *, used: bool = True) -> None:
        names = _noted.get()
        if names is not None:
            name = str(self._undefined_name)
            names[name] = used or names.get(name, False)

    def _fail(self, *_: Any, **__: Any) -> NoReturn:
        self._note()
        self._fail_with_undefined_error()

    def __str__(self) -> str:
        self._note()
        return ""

    __html__ = __repr__ = __str__

    def __iter__(self) -> Iterator[Any]:
        self._note()
        return iter(())

    def __len__(self) -> int:
        self._note()
        return 0

    def __contains__(self, _: object) -> bool:
        self._note(used=False)
        return False

    def __eq__(self, other: object) -> bool:
        self._note(used=False)
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        self._note(used=False)
        return super().__ne__(other)

    def __hash__(self) -> int:
        self._note(used=False)
        return super().__hash__()

    __call__ = _fail
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _fail
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pos__ = __neg__ = __pow__ = __rpow__ = _fail
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __complex__ = _fail
