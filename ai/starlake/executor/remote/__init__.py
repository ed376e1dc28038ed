"""Run commands in remote services: one life cycle for every service, and a backend for each.

A service is a class derived from `RemoteBackend`; `RemoteExecutor` runs commands on it.
"""

from typing import TYPE_CHECKING

from ai.starlake.common.lazy_names import lazy_names

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

__getattr__ = lazy_names(
    __name__,
    {
        "identity": ["RunIdentity", "label_value", "step_labels"],
        "remote_backend": [
            "Handle",
            "Infrastructure",
            "Leftover",
            "LineSource",
            "NoOutput",
            "Phase",
            "RemoteBackend",
            "RemoteRequest",
            "RemoteState",
            "Search",
        ],
        "remote_errors": ["NotReadyError", "RemoteCallError", "RemoteCommandFailedError", "RemoteTimeoutError"],
        "remote_executor": ["RemoteExecutor"],
        "repeats": ["Repeats"],
    },
)
