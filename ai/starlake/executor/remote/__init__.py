"""Run commands elsewhere: one life cycle for every service, and a backend for each.

A service is a class derived from `RemoteBackend`; `RemoteExecutor` runs commands on it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ai.starlake.executor.remote.identity import RunIdentity, label_value, step_labels
    from ai.starlake.executor.remote.remote_backend import (
        Handle,
        Infrastructure,
        Leftover,
        LineSource,
        NoOutput,
        Phase,
        RemoteBackend,
        RemoteRequest,
        RemoteState,
        Search,
    )
    from ai.starlake.executor.remote.remote_errors import (
        NotReadyError,
        RemoteCallError,
        RemoteCommandFailedError,
        RemoteTimeoutError,
    )
    from ai.starlake.executor.remote.remote_executor import RemoteExecutor
    from ai.starlake.executor.remote.repeats import Repeats

__all__ = [
    "Handle",
    "Infrastructure",
    "Leftover",
    "LineSource",
    "NoOutput",
    "NotReadyError",
    "Phase",
    "RemoteBackend",
    "RemoteCallError",
    "RemoteCommandFailedError",
    "RemoteExecutor",
    "RemoteRequest",
    "RemoteState",
    "RemoteTimeoutError",
    "Repeats",
    "RunIdentity",
    "Search",
    "label_value",
    "step_labels",
]

# What is needed when a command runs is imported then: a code location that only builds jobs loads faster.
_MODULES = {
    "identity": ("RunIdentity", "label_value", "step_labels"),
    "remote_errors": ("NotReadyError", "RemoteCallError", "RemoteCommandFailedError", "RemoteTimeoutError"),
    "remote_executor": ("RemoteExecutor",),
    "repeats": ("Repeats",),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE.get(name, 'remote_backend')}"), name)
