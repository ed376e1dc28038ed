"""Write lazy frames to Parquet files, without loss and within bounded memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common.errors import StarlakeError

if TYPE_CHECKING:
    import polars as pl

_SHORTEST = 0.001
_LONGEST = 0.2
"""Maximum seconds between two polls of a query that runs in the background."""
_SCAN = re.compile(r"\bSCAN \[([^\]]*)\]")
_LOSSY = {
    "Duration": "DuckDB reads it as a number without its unit; cast it, as with .dt.total_microseconds()",
    "Int128": "DuckDB reads it as bytes; cast it, as with .cast(pl.Decimal(38, 0))",
    "UInt128": "DuckDB reads it as bytes; cast it, as with .cast(pl.Decimal(38, 0))",
    "Object": "Parquet has no such type; cast it, as with .cast(pl.String)",
}
"""Types that change on the way to the table, and the fix for each."""


def lazy_frame(rows: Any, task: str, engine: str) -> pl.LazyFrame:
    """Return the lazy frame for the return value of a task.

    Raises:
        StarlakeError: If it is not a frame of Polars.
    """
    import polars as pl

    if isinstance(rows, pl.DataFrame):
        return rows.lazy()
    if isinstance(rows, pl.LazyFrame):
        return rows
    raise StarlakeError(
        f"the Python task {task} returned a {type(rows).__name__}",
        cause=f"engine: {engine} runs lazy frames of Polars",
        fix="return a polars.LazyFrame, or remove engine from the YAML of the task",
    )


def require_lossless(schema: Mapping[str, Any], task: str) -> None:
    """Refuse columns that would change their type or their values in the table.

    Raises:
        StarlakeError: If there are such columns; the error names all of them.
    """
    lossy = {name: found for name, dtype in schema.items() for found in _lossy_types(dtype)}
    if lossy:
        names = ", ".join(f"{name} ({kind})" for name, kind in lossy.items())
        reasons = "; ".join(f"{kind}: {_LOSSY[kind]}" for kind in dict.fromkeys(lossy.values()))
        raise StarlakeError(f"the Python task {task} returns columns that cannot be kept: {names}", fix=reasons)


def sink(frame: pl.LazyFrame, file: Path, check: Callable[[], None]) -> None:
    """Run a frame in this process on the streaming engine, and write its rows to a Parquet file.

    It runs in the background, so that an interruption of this thread ends it.

    Args:
        frame: The frame.
        file: The file to write.
        check: Raises an error if the query has to end.
    """
    query = frame.sink_parquet(file, lazy=True).collect(engine="streaming", background=True)
    pause = _SHORTEST
    try:
        while query.fetch() is None:
            check()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST)
    except BaseException:
        query.cancel()
        raise


def local_files(frame: pl.LazyFrame) -> list[str]:
    """Return the local files that a frame scans, as far as its plan shows them."""
    found = (path for scan in _SCAN.findall(frame.explain(optimized=False)) for path in scan.split(", "))
    return [path for path in found if path.startswith(("/", "file:"))]


def row_count(folder: Path) -> int:
    """Return the number of rows in the Parquet files of a folder."""
    import polars as pl

    return int(pl.scan_parquet(folder / "*.parquet").select(pl.len()).collect().item())


def _lossy_types(dtype: Any) -> Iterator[str]:
    name = dtype.base_type().__name__
    if name in _LOSSY:
        yield name
    if name in ("List", "Array"):
        yield from _lossy_types(dtype.inner)
    elif name == "Struct":
        for each in dtype.fields:
            yield from _lossy_types(each.dtype)
