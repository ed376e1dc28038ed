"""Print the signatures of polars_cloud that the library uses, of whichever package this interpreter imports."""

import inspect
import json

import polars as pl
import polars_cloud
import polars_cloud.polars_cloud as pcr
from polars_cloud import constants
from polars_cloud.query import DirectQuery, LazyFrameRemote, QueryResult

CONTEXT = polars_cloud.ComputeContext
USED = {
    "authenticate": polars_cloud.authenticate,
    "set_compute_context": polars_cloud.set_compute_context,
    "Workspace": polars_cloud.Workspace,
    "ComputeContext": CONTEXT,
    **{f"ComputeContext.{name}": getattr(CONTEXT, name) for name in ("start", "get_status", "register", "unregister")},
    **{
        f"LazyFrameRemote.{name}": getattr(LazyFrameRemote, name)
        for name in ("__init__", "labels", "execute", "sink_parquet", "collect")
    },
    "LazyFrame.remote": pl.LazyFrame.remote,
    **{f"DirectQuery.{name}": getattr(DirectQuery, name) for name in ("get_status", "await_result", "cancel")},
    **{f"QueryResult.{name}": getattr(QueryResult, name) for name in ("lazy", "raise_err", "delete")},
    **{
        f"API_CLIENT.{name}": getattr(constants.API_CLIENT, name)
        for name in (
            "get_compute_clusters",
            "stop_compute_cluster",
            "unregister_compute_cluster_manifest",
            "authenticate",
        )
    },
}
ATTRIBUTES = {
    "ComputeContext": sorted(
        name for name in ("workspace", "stop") if hasattr(CONTEXT, name) or name in inspect.getsource(CONTEXT)
    ),
    "status": sorted(each.name for each in polars_cloud.ComputeContextStatus),
    "questions about the status": sorted(
        name for name in ("is_stopped", "is_failed", "is_terminal") if hasattr(polars_cloud.ComputeContextStatus, name)
    ),
    "query status": sorted(each.name for each in polars_cloud.QueryStatus),
    "result": sorted(name for name in ("location", "n_rows_total") if isinstance(getattr(QueryResult, name), property)),
    "address": constants.FRONTEND_DOMAIN,
    "alive": [name for name in ("Starting", "Idle", "Running") if hasattr(pcr.ComputeStatusModel, name)],
    "the id of a context": "_compute_id" in inspect.getsource(CONTEXT),
}


def parameters(call):
    kept = inspect.signature(call).parameters.values()
    return [f"{each.kind.name} {each.name}" for each in kept if each.name != "self"]


print(json.dumps({"signatures": {name: parameters(call) for name, call in USED.items()}, "attributes": ATTRIBUTES}))
