"""An emulator of the parts of Google Cloud that Starlake pipelines run on.

Importing this loads nothing of Google's libraries; starting the emulator does.
"""

from ai.starlake.testing.gcp.base import Emulator, Endpoints
from ai.starlake.testing.gcp.client import EmulatorClient
from ai.starlake.testing.gcp.clock import Clock, ManualClock
from ai.starlake.testing.gcp.emulator import GcpEmulator
from ai.starlake.testing.gcp.journal import Call
from ai.starlake.testing.gcp.timing import Timing
from ai.starlake.testing.gcp.views import ClusterView, ExecutionView, SparkJobView

__all__ = [
    "Call",
    "Clock",
    "ClusterView",
    "Emulator",
    "EmulatorClient",
    "Endpoints",
    "ExecutionView",
    "GcpEmulator",
    "ManualClock",
    "SparkJobView",
    "Timing",
]
