"""Adaptive write strategies: the facts that conditions may ask for, and the files of a group."""

from __future__ import annotations

import os
from datetime import datetime, timezone

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.intake.adaptive import evaluate

FULL_OR_DELTA = {"OVERWRITE": 'group("mode") == "full"', "APPEND": 'group("mode") == "delta"'}


def adaptive(shop, types, **keys):
    metadata = {"writeStrategy": {"types": types}, **keys}
    shop.table("rows", {"id": "int"}, pattern=r"rows-(?<mode>\w+)-(\d+)\.csv", metadata=metadata)


@pytest.mark.parametrize(
    "condition",
    [
        "fileSize == 5",
        "fileSizeKo == 0 && fileSizeMo < 1",
        "isFileFirstDayOfMonth && !isFileLastDayOfMonth",
        "fileDayOfWeek == 4",
        "dayOfWeek >= 1 && dayOfWeek <= 7 || false",
        'group(2).toInt > 10 && group(2).length == 2 && group(1).startsWith("de")',
        'group("mode").equalsIgnoreCase("DELTA") && group(1).nonEmpty',
    ],
)
def test_what_conditions_may_ask(shop, condition):
    adaptive(shop, {"APPEND": condition})
    file = shop.put("rows-delta-12.csv", "id\n12")
    moment = datetime(2024, 2, 1, tzinfo=timezone.utc).timestamp()
    os.utime(file, (moment, moment))
    assert not shop.engine.load().failures
    assert shop.rows() == [(12,)]


def test_the_day_of_a_file_is_that_of_the_zone_of_the_project(shop):
    shop.application(timezone="Asia/Tokyo")
    adaptive(shop, {"APPEND": "isFileFirstDayOfMonth"})
    moment = datetime(2024, 1, 31, 20, tzinfo=timezone.utc).timestamp()
    os.utime(shop.put("rows-delta-1.csv", "id\n1\n"), (moment, moment))
    assert not shop.engine.load().failures


def test_files_of_a_group_are_apart_where_the_strategy_changes(shop):
    adaptive(shop, FULL_OR_DELTA, grouped=True)
    for number, mode in enumerate(["delta", "full", "full", "odd", "delta", "delta"]):
        os.utime(shop.put(f"rows-{mode}-{number}.csv", f"id\n{number}\n"), (number, number))
    jobs = shop.engine.load().jobs
    assert [[name[5:-4] for name in job.files] for job in jobs] == [
        ["delta-0"],
        ["full-1", "full-2"],
        ["odd-3"],
        ["delta-4", "delta-5"],
    ]
    assert [bool(job.error) for job in jobs] == [False, False, True, False]
    assert shop.rows() == [(1,), (2,), (4,), (5,)]


@pytest.mark.parametrize("condition", ["group(1).drop(1)", "open()", "nosuch", "group(1).toInt > 0", "1 +", "x[0]"])
def test_what_cannot_be_evaluated_is_told(condition):
    facts = {"group": lambda _number: "full"}
    with pytest.raises(StarlakeError, match="cannot be evaluated"):
        evaluate(condition, facts, "shop.rows")
