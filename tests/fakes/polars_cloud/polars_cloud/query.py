import json
import re
import threading
import time
import uuid
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace

import polars as pl

from polars_cloud import constants


class QueryStatus(Enum):
    QUEUED = 0
    SCHEDULED = 1
    INPROGRESS = 2
    SUCCESS = 3
    FAILED = 4
    CANCELED = 5

    def is_done(self):
        return self in (QueryStatus.SUCCESS, QueryStatus.FAILED, QueryStatus.CANCELED)


class QueryResult:
    def __init__(self, result, status, query=None):
        self.finished_task_info = result
        self.status = status
        self._query = query

    @property
    def n_rows_total(self):
        return self.finished_task_info.n_rows_result

    @property
    def location(self):
        return self.finished_task_info.sink_dst

    def lazy(self):
        if not self.location:
            raise pl.exceptions.InvalidOperationError("cannot create a 'LazyFrame', the result location is unknown")
        return pl.scan_parquet(self.location)

    def raise_err(self):
        for each in self.finished_task_info.errors:
            for text in json.loads(each).values():
                raise pl.exceptions.ComputeError(text)

    def delete(self):
        constants.API_CLIENT.service.fault("delete")
        constants.API_CLIENT.service.count("delete")


@dataclass
class _Sink:
    uri: str | None


class DirectQuery:
    def __init__(self, lf, context, sink, labels):
        self._query_id = uuid.uuid4()
        self._context = context
        self._status = QueryStatus.QUEUED
        self._info = SimpleNamespace(id=self._query_id, n_rows_result=None, sink_dst=None, errors=[])
        self._cancelled = threading.Event()
        with constants.API_CLIENT.service.change() as state:
            state["queries"].append({"cluster": str(context._compute_id), "labels": labels, "sink": sink.uri})
        threading.Thread(target=self._run, args=(lf, sink), daemon=True).start()

    def _run(self, lf, sink):
        service = constants.API_CLIENT.service
        self._status = QueryStatus.INPROGRESS
        if self._cancelled.wait(service.setting("seconds_of_a_query", 0)):
            self._status = QueryStatus.CANCELED
            return
        if service.take("vanish"):
            with service.change() as state:
                state["clusters"][str(self._context._compute_id)]["status"] = "Stopped"
            return
        try:
            service.fault("query", pl.exceptions.ComputeError)
            for paths in re.findall(r"SCAN \[([^\]]*)\]", lf.explain(optimized=False)):
                for path in re.split(r",\s*", paths):
                    if "://" not in path and not path.startswith(str(service.bucket)):
                        raise FileNotFoundError(f"No such file or directory (os error 2): {path}")  # noqa: TRY301
            rows = lf.collect()
            lost = service.take("lose rows")
            folder = service.storage(sink.uri)
            half = len(rows) // 2
            files = []
            for part, piece in enumerate((rows[:half], rows[half:]) if len(rows) else ()):
                files.append(folder / f"part-{part}.parquet")
                (piece[:-1] if lost and part else piece).write_parquet(files[-1])
            self._info.sink_dst = [str(file) for file in files]
            self._info.n_rows_result = len(rows)
            self._status = QueryStatus.SUCCESS
        except Exception as error:  # noqa: BLE001
            self._info.errors = [json.dumps({"scheduler": str(error)})]
            self._status = QueryStatus.FAILED

    def get_status(self):
        constants.API_CLIENT.service.fault("status")
        if not self._context.get_status().is_started():
            raise RuntimeError("transport error: connection refused")
        return self._status

    def await_result(self, *, raise_on_failure=True, silent=None):
        while not self._status.is_done():
            time.sleep(0.01)
        result = QueryResult(self._info, self._status, self)
        if raise_on_failure and self._status is QueryStatus.FAILED:
            result.raise_err()
        return result

    def cancel(self):
        self._cancelled.set()


class LazyFrameRemote:
    def __init__(
        self,
        lf,
        context=None,
        plan_type="dot",
        n_retries=0,
        priority=0,
        engine="auto",
        scaling_mode="auto",
    ):
        self.lf = lf
        self.context = context
        self._labels = None

    def labels(self, labels):
        self._labels = [labels] if isinstance(labels, str) else labels
        return self

    def execute(self, *, blocking=True, optimizations=None, silent=None):
        query = self._sent(_Sink(None))
        return query.await_result() if blocking else query

    def sink_parquet(
        self,
        uri,
        *,
        compression="zstd",
        compression_level=None,
        statistics=True,
        row_group_size=None,
        data_page_size=None,
        maintain_order=True,
        storage_options=None,
        credential_provider="auto",
        metadata=None,
        arrow_schema=None,
        sink_to_single_file=None,
        optimizations=None,
    ):
        last = uri.rsplit("/", 1)[-1]
        if "." in last and sink_to_single_file is None:
            raise ValueError("Sink destination appears to be a single file, but `sink_to_single_file` is not set.")
        return self._sent(_Sink(uri))

    def collect(self, *, ttl=None, optimizations=None):
        raise TypeError("Streaming query results to the client is only supported on `ClusterContext`")

    def _sent(self, sink):
        for label in self._labels or ():
            assert 0 < len(label.encode()) <= 32
        if self.context._compute_id is None:
            self.context.start()
        return DirectQuery(self.lf, self.context, sink, self._labels)


def _remote(lf, context=None, *, plan_type="dot", n_retries=0, priority=0, engine="auto", scaling_mode="auto"):
    return LazyFrameRemote(lf, context, plan_type, n_retries, priority, engine, scaling_mode)


pl.LazyFrame.remote = _remote
