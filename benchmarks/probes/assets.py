"""Loads a code location of assets: ``ours PROJECT CACHE``, or ``bare TABLES``, its limit."""

from __future__ import annotations

import json
import os
import sys
import warnings

import psutil
from dagster import (
    AssetCheckSpec,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    Definitions,
    MaterializeResult,
    TableColumn,
    TableSchema,
    multi_asset,
)

from benchmarks.clock import Clock
from benchmarks.project import domains

_COLUMNS = {"key": "BIGINT", "label": "VARCHAR", "amount": "DOUBLE", "day": "DATE", "at": "TIMESTAMP"}


def bare(tables: int) -> Definitions:
    """Create the assets without a library: a step, a spec and checks for each table and each task."""
    pairs = [(domain, table) for domain, names in domains(tables).items() for table in names]
    loads = [_step(AssetKey([*pair]), [], ["unique_key", "rejected_rows"], "csv") for pair in pairs]
    tasks = [
        _step(
            AssetKey([f"kpi_{domain}", table]),
            [AssetKey([domain, table]), AssetKey([*pairs[(number + 1) % len(pairs)]])],
            [],
            "sql",
        )
        for number, (domain, table) in enumerate(pairs)
    ]
    return Definitions(assets=[*loads, *tasks])


def _step(key: AssetKey, deps: list[AssetKey], checks: list[str], kind: str) -> AssetsDefinition:
    spec = AssetSpec(
        key,
        deps=deps,
        group_name=key.path[0],
        code_version="1",
        kinds={"starlake", "duckdb", kind},
        metadata={
            "dagster/column_schema": TableSchema(
                columns=[TableColumn(name=name, type=type_) for name, type_ in _COLUMNS.items()]
            )
        },
    )

    @multi_asset(
        name="__".join(key.path),
        specs=[spec],
        check_specs=[AssetCheckSpec(name, asset=key) for name in checks],
    )
    def step():
        yield MaterializeResult(asset_key=key)

    return step


def ours(root: str, cache: str) -> Definitions:
    os.environ["SL_DAGSTER_CACHE"] = cache
    from ai.starlake.dagster import build_starlake_definitions

    return build_starlake_definitions(root, schedules=False, sensors=False)


def main(kind: str, *arguments: str) -> None:
    warnings.simplefilter("ignore")
    clock = Clock()
    definitions = ours(*arguments) if kind == "ours" else bare(int(arguments[0]))
    repository = definitions.get_repository_def()
    job = repository.get_job("__ASSET_JOB")
    found = clock.read("seconds")
    found["memory"] = psutil.Process().memory_info().rss / 2**20
    nodes = repository.asset_graph.asset_nodes
    found |= {
        "steps": len(job.all_node_defs),
        "assets": sum(node.is_executable for node in nodes),
        "checks": len(repository.asset_graph.asset_check_keys),
        "lineage": sum("dagster/column_lineage" in node.metadata for node in nodes),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
