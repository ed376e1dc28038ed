"""Another package offers what runs lazy frames: a class and an entry point."""

from __future__ import annotations

from ai.starlake.common.plug_ins import plug_ins
from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.project.checks.project_checks import validate

CODE = '''
class Doubling:
    """Runs lazy frames twice."""

    def __init__(self, session):
        self.session = session

    def write(self, query):
        import polars as pl

        pl.concat([query.frame, query.frame]).sink_parquet(query.folder / "rows.parquet")
        self.session.tell(f"{query.task} of {self.session.run_id}")

    def close(self):
        self.session.tell("closed")
'''


def test_an_engine_is_found_by_its_entry_point(studio, tmp_path, monkeypatch):
    site = tmp_path / "site"
    info = site / "doubling-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: doubling\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[starlake.lazy_engines]\ndoubling = doubling_engine:Doubling\n")
    (site / "doubling_engine.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(site))
    plug_ins.cache_clear()
    try:
        told = []
        studio.environment["SL_RUN_ID"] = "a-run"
        studio.python("t", "return pl.LazyFrame({'id': [1]})", engine="doubling")
        assert [each for each in validate(studio.root, environment=studio.environment) if each.is_error] == []
        engine = studio.engine
        monkeypatch.setattr(engine._reporter, "progressing", told.append)
        assert engine.transform(TransformRequest("mart.t")).error is None
        assert studio.rows("mart.t") == [(1,), (1,)]
        assert told == ["mart.t of a-run", "closed"]
    finally:
        plug_ins.cache_clear()
