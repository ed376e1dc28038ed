"""An emulator of the parts of Google Cloud that Starlake pipelines run on.

Importing this loads nothing of Google's libraries; starting the emulator does.
"""

from starlake_gcp_emulator.base import Emulator, Endpoints
from starlake_gcp_emulator.client import EmulatorClient
from starlake_gcp_emulator.clock import Clock, ManualClock
from starlake_gcp_emulator.emulator import GcpEmulator
from starlake_gcp_emulator.journal import Call
from starlake_gcp_emulator.timing import Timing
from starlake_gcp_emulator.views import ClusterView, ExecutionView, SparkJobView

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
