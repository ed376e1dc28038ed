"""A stand-in for the package polars_cloud: its Polars Cloud is a folder, and the process that sends a query runs it.

The folder is that of the variable FAKE_POLARS_CLOUD; see `service.py`. `tests/polars/test_the_fake.py` compares the
signatures with those of the real package.
"""

from polars_cloud import constants, exceptions
from polars_cloud.context import ComputeContext, ComputeContextStatus, set_compute_context
from polars_cloud.query import LazyFrameRemote, QueryResult, QueryStatus
from polars_cloud.workspace import Workspace

__version__ = "0.12.0"


def authenticate(*, client_id=None, client_secret=None, interactive=True):
    constants.API_CLIENT.authenticate(client_id, client_secret, interactive)


__all__ = [
    "ComputeContext",
    "ComputeContextStatus",
    "LazyFrameRemote",
    "QueryResult",
    "QueryStatus",
    "Workspace",
    "authenticate",
    "exceptions",
    "set_compute_context",
]
