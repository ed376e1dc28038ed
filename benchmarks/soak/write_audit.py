"""Writes rows into the audit of a project as another scheduler does, for some seconds: ``ROOT ROWS OWN...``.

OWN are ids of runs of this Dagster, whose rows are among them.
"""

from __future__ import annotations

import random
import sys
import time
import uuid
from pathlib import Path

import duckdb

TABLES = 50
MESSAGE = "of the soak"
_JOBS_AT_ONCE = 10
_FAIL = 0.1
_LATE = 900
"""Seconds between the end of a load and its row, at most."""
_OWN = 0.1

_INSERT = f"""
INSERT INTO audit.audit BY NAME
SELECT
    ? AS JOBID, 'file:/t' || n || '.csv' AS PATHS, 'shop' AS DOMAIN, 't' || n AS SCHEMA, random() > ? AS SUCCESS,
    1 AS COUNT, 1 AS COUNTACCEPTED, 0 AS COUNTREJECTED, ?::TIMESTAMP + to_milliseconds(n * 10) AS TIMESTAMP,
    5 AS DURATION, '{MESSAGE}' AS MESSAGE, 'LOAD' AS STEP,
    now()::TIMESTAMP AS SCHEDULED_DATE, '' AS DATABASE, '' AS TENANT
FROM range(?) numbers(n)
"""


def write(file: Path, rows: int, own: list[str], choice: random.Random, *, age: float = 0) -> None:
    """Write rows, a transaction for some JOBIDs at once.

    Args:
        file: The database.
        rows: Number of rows.
        own: Runs of this Dagster.
        choice: Makes the choices.
        age: Minimum seconds since the end of the rows.
    """
    left = rows
    while left > 0:
        try:
            connection = duckdb.connect(str(file))
        except duckdb.IOException:  # somebody reads
            time.sleep(0.02)
            continue
        with connection:
            connection.execute("BEGIN")
            for _ in range(_JOBS_AT_ONCE):
                count = min(left, choice.randint(1, TABLES))
                mine = bool(own) and choice.random() < _OWN
                job = f"{choice.choice(own)}.load" if mine else f"{uuid.UUID(int=choice.getrandbits(128))}.load"
                at = time.time() - age - choice.uniform(10, _LATE)
                began = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
                connection.execute(_INSERT, [job, _FAIL, f"{began}.{choice.randrange(1000):03}", count])
                left -= count
            connection.execute("COMMIT")
        time.sleep(choice.uniform(0.02, 0.1))


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:], random.Random(int(sys.argv[2])))
