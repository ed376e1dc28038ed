"""Grouped loads read their files some at a time; how many at a time changes nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.embedded.intake import reading

CSV = [
    "id,label\n1,a\n2,b\n",
    "label,id\nz,9\nz,nine\n",
    "id\n7\n",
    'id,label\n3,"a ""b"" c\n',
    "id,label\n",
    'id\n"8"x\n',
]
JSON = [[{"id": 1, "label": "a"}], [{"id": "x"}, {"id": 2, "label": {"a": 1}}], [{"id": 3, "label": [1]}], [{"id": 4}]]
COLUMNS = {"id": "int", "label": "string"}


def state(shop):
    """Rows in their order, audit and rejects, without what depends on the time."""
    rejected = [
        (error, path.rpartition("/")[2]) for error, path in shop.query("SELECT ERROR, PATH FROM audit.rejected")
    ]
    audit = shop.query("SELECT PATHS, COUNT, COUNTACCEPTED, COUNTREJECTED, SUCCESS FROM audit.audit ORDER BY ALL")
    replayed = [path.read_text() for path in sorted(shop.root.glob("datasets/replay/shop/*"))]
    files = [name for name in shop.files() if "replay/" not in name]
    return shop.query("FROM shop.rows"), rejected, audit, replayed, files


def load(shop, files, suffix, at_a_time, monkeypatch, **metadata):
    monkeypatch.setattr(reading, "_FILES_AT_A_TIME", at_a_time)
    shop.table("rows", COLUMNS, metadata={"grouped": True, **metadata})
    for area in ("archive", "replay", "stage"):
        for path in shop.root.glob(f"datasets/{area}/shop/*"):
            path.unlink()
    (shop.root / "datasets/duckdb.db").unlink(missing_ok=True)
    for place, content in enumerate(files):
        shop.put(f"rows{place:02}.{suffix}", content)
    (job,) = shop.engine.load().jobs
    return (job.error, shop.files()) if job.error else (job.input_count, job.rejected_count, state(shop))


@pytest.fixture
def replaying(shop):
    shop.application(sinkReplayToFile=True, audit={"detailedLoadAudit": True})
    return shop


@settings(max_examples=10)
@given(st.lists(st.sampled_from(CSV), min_size=2, max_size=6), st.integers(1, 4))
def test_csv(replaying, files, at_a_time):
    with pytest.MonkeyPatch.context() as patch:
        expected = load(replaying, files, "csv", 100, patch)
        assert load(replaying, files, "csv", at_a_time, patch) == expected


@settings(max_examples=10)
@given(st.lists(st.sampled_from(JSON), min_size=2, max_size=6), st.integers(1, 4))
def test_json_of_several_shapes(replaying, files, at_a_time):
    texts = ["".join(f"{json.dumps(one)}\n" for one in documents) for documents in files]
    with pytest.MonkeyPatch.context() as patch:
        expected = load(replaying, texts, "json", 100, patch, format="JSON")
        assert load(replaying, texts, "json", at_a_time, patch, format="JSON") == expected


def test_a_file_that_cannot_be_read_fails_the_group(shop, monkeypatch):
    monkeypatch.setattr(reading, "_FILES_AT_A_TIME", 2)
    shop.table("rows", COLUMNS, metadata={"grouped": True, "format": "JSON"})
    for place in range(5):
        shop.put(f"rows{place}.json", '{"id": 1}\n' if place != 4 else "{\n")
    (job,) = shop.engine.load().jobs
    assert job.error
    assert shop.files() == [f"stage/shop/rows{place}.json" for place in range(5)]
    shop.put("rows4.json", '{"id": 5}\n')
    assert not shop.engine.load().failures
    assert sorted(shop.query("SELECT id FROM shop.rows")) == [(1,)] * 4 + [(5,)]
