"""The sample bakery as a facade: another scheduler runs it, and Dagster shows what becomes of it.

SL_ROOT=/tmp/bakery dagster dev -f samples/facade/definitions.py
"""

import os

from ai.starlake.dagster import StarlakeDagsterFacade

ROOT = os.environ["SL_ROOT"]

facade = StarlakeDagsterFacade(
    ROOT,
    audit=f"{ROOT}/datasets/duckdb.db",
    dagster_graphql_host="localhost",
    dagster_graphql_port=int(os.environ.get("DAGSTER_PORT", "3000")),
    interval_seconds=5,
    settle_seconds=10,
    log_url_template="https://logs.bakery.example/starlake?job={job_id}&table={domain}.{table}",
)
defs = facade.create_definitions("prod")
