"""The order of tasks and groups, and what is skipped with a pre-load check that found nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.pipelines import DagsterPipeline


def load(pipeline: DagsterPipeline, name: str) -> Any:
    return pipeline.sl_load(task_id=name, domain="sales", table=name)


def test_both_operators_take_tasks_groups_and_lists_on_both_sides(
    make_module: Callable[..., Any], edges: Callable[..., set[str]]
) -> None:
    with make_module().pipeline() as pipeline:
        a, b, c, d, e = (load(pipeline, name) for name in "abcde")
        with pipeline.orchestration.sl_create_task_group(group_id="g", pipeline=pipeline) as group:
            f, g = load(pipeline, "f"), load(pipeline, "g")
        assert (a >> b) is b
        assert (c << b) is b
        chained = [c, d] >> e
        assert chained is e
        assert (e >> group) is group
        assert (d << [a, b]) == [a, b]
        assert ([b] << a) is a
        assert f is not g
    assert edges(pipeline) == {"a >> b", "b >> c", "b >> d", "c >> e", "d >> e", "e >> g.f", "e >> g.g"}


def test_all_of_a_group_waits_and_all_of_a_group_is_waited_for(
    make_module: Callable[..., Any], edges: Callable[..., set[str]]
) -> None:
    with make_module().pipeline() as pipeline:
        start, end = pipeline.start_task(), pipeline.end_task()
        with pipeline.orchestration.sl_create_task_group("outer", pipeline) as outer:
            a = load(pipeline, "a")
            with pipeline.orchestration.sl_create_task_group("inner", pipeline) as inner:
                b, c = load(pipeline, "b"), load(pipeline, "c")
                b >> c
            a >> inner
        start >> outer >> end
    assert edges(pipeline) == {
        "start >> outer.a",
        "outer.a >> outer.inner.b",
        "outer.inner.b >> outer.inner.c",
        "outer.inner.c >> end",
    }


def test_an_order_may_cross_groups(make_module: Callable[..., Any], edges: Callable[..., set[str]]) -> None:
    with make_module().pipeline() as pipeline:
        with pipeline.orchestration.sl_create_task_group("one", pipeline):
            a, b = load(pipeline, "a"), load(pipeline, "b")
        with pipeline.orchestration.sl_create_task_group("two", pipeline) as two:
            c, d = load(pipeline, "c"), load(pipeline, "d")
            c >> d
        a >> d
        b >> two
    assert edges(pipeline) == {"one.a >> two.d", "one.b >> two.c", "two.c >> two.d"}


def test_what_says_nothing_new_about_the_first_and_the_last_task_is_left_out(
    make_module: Callable[..., Any], edges: Callable[..., set[str]]
) -> None:
    with make_module().pipeline() as pipeline:
        start, end = pipeline.start_task(), pipeline.end_task()
        a, b, c = (load(pipeline, name) for name in "abc")
        a >> b >> c
        start >> [a, b, c] >> end
    assert edges(pipeline) == {"start >> a", "a >> b", "b >> c", "c >> end"}


def test_a_group_without_tasks_is_passed_through(
    make_module: Callable[..., Any], edges: Callable[..., set[str]]
) -> None:
    with make_module().pipeline() as pipeline:
        start, end = pipeline.start_task(), pipeline.end_task()
        with (
            pipeline.orchestration.sl_create_task_group("outer", pipeline) as outer,
            pipeline.orchestration.sl_create_task_group("inner", pipeline),
        ):
            pass
        start >> outer >> end
    assert edges(pipeline) == {"start >> end"}


def test_many_after_many_meet_in_a_task_between_them(
    make_module: Callable[..., Any], edges: Callable[..., set[str]]
) -> None:
    with make_module().pipeline() as pipeline:
        groups = []
        for name in ("one", "two"):
            with pipeline.orchestration.sl_create_task_group(name, pipeline) as group:
                for number in range(100):
                    load(pipeline, f"{name}_{number}")
            groups.append(group)
        groups[0] >> groups[1]
    assert len(edges(pipeline)) == 200


def test_a_circle_is_an_error_that_shows_it(make_module: Callable[..., Any]) -> None:
    def circle() -> None:
        with make_module().pipeline() as pipeline:
            a, b = load(pipeline, "a"), load(pipeline, "b")
            with pipeline.orchestration.sl_create_task_group("g", pipeline) as group:
                c = load(pipeline, "c")
            a >> b >> group
            c >> a

    with pytest.raises(StarlakeError, match="circle") as caught:
        circle()
    assert caught.value.cause is not None
    assert {"a", "b", "g.c"} == set(caught.value.cause.split(" >> "))


def test_what_is_in_a_group_cannot_wait_for_the_group(make_module: Callable[..., Any]) -> None:
    def before_itself() -> None:
        with make_module().pipeline() as pipeline:
            with pipeline.orchestration.sl_create_task_group("g", pipeline) as group:
                a = load(pipeline, "a")
            group >> a

    with pytest.raises(StarlakeError, match="is, or contains"):
        before_itself()


@pytest.mark.parametrize("other", [None, "a", 3, [None]])
def test_only_tasks_and_groups_can_be_put_in_order(make_module: Callable[..., Any], other: Any) -> None:
    with pytest.raises(StarlakeError, match="no place in the order"), make_module().pipeline() as pipeline:
        load(pipeline, "a") >> other


def test_tasks_of_two_pipelines_cannot_be_put_in_order(
    make_module: Callable[..., Any], schedule: Callable[..., Any]
) -> None:
    with make_module().orchestration() as orchestration:
        with orchestration.sl_create_pipeline(schedule({"sales": ["a"]}, "one")) as one:
            a = one.start_task()
        with (
            orchestration.sl_create_pipeline(schedule({"sales": ["a"]}, "two")) as two,
            pytest.raises(StarlakeError, match="not tasks or groups of one pipeline"),
        ):
            a >> two.end_task()


def test_nothing_comes_before_the_start(make_module: Callable[..., Any]) -> None:
    with pytest.raises(StarlakeError, match="nothing comes before start"), make_module().pipeline() as pipeline:
        load(pipeline, "a") >> pipeline.start_task()


class TestSkips:
    def pipeline_of(self, module: Any, schedule: Any) -> DagsterPipeline:
        """Two domains, each behind a check, between a start and an end with a cleaning up before it."""
        with module.pipeline(schedule({"sales": ["orders", "items"], "crm": ["customers"]})) as pipeline:
            start = pipeline.start_task()
            groups = []
            for domain in pipeline.schedule.domains:
                with pipeline.orchestration.sl_create_task_group(domain.name, pipeline) as group:
                    with pipeline.orchestration.sl_create_task_group(f"pre_load_{domain.name}", pipeline) as ready:
                        pipeline.sl_pre_load(domain.name, {table.name for table in domain.tables})
                    with pipeline.orchestration.sl_create_task_group(f"load_{domain.name}", pipeline) as loads:
                        for table in domain.tables:
                            pipeline.sl_load(f"load_{table.name}", domain.name, table.name)
                    ready >> loads
                groups.append(group)
            end = pipeline.end_task()
            cleaned = pipeline.sl_dummy_op("cleaned")
            start >> groups >> cleaned >> end
        return pipeline

    def test_one_domain_is_skipped_and_the_other_is_loaded(
        self, make_module: Any, schedule: Any, pending: Any, run: Any, outcome: Any, recorder: Any
    ) -> None:
        pending("crm")
        pipeline = self.pipeline_of(make_module(pre_load_strategy="pending"), schedule)
        result = run(pipeline.dag)
        assert result.success
        ends = outcome(result)
        assert ends["sales.load_sales.load_orders"] == ends["sales.load_sales.load_items"] == "skipped"
        assert ends["crm.load_crm.load_customers"] == ends["cleaned"] == ends["end"] == "success"
        assert recorder.shown == ["load --domains crm --tables customers"]

    def test_the_end_comes_about_and_says_nothing_when_all_is_skipped(
        self, make_module: Any, schedule: Any, run: Any, outcome: Any, recorder: Any
    ) -> None:
        """Otherwise a cluster would stay, and what waits for the pipeline's asset would start for nothing."""
        result = run(self.pipeline_of(make_module(pre_load_strategy="pending"), schedule).dag)
        assert result.success
        assert outcome(result)["cleaned"] == outcome(result)["end"] == "success"
        assert recorder.commands == []
        assert [event for event in result.all_events if event.is_step_materialization] == []

    def test_the_end_tells_that_data_was_loaded(self, make_module: Any, schedule: Any, pending: Any, run: Any) -> None:
        pending("crm")
        result = run(self.pipeline_of(make_module(pre_load_strategy="pending"), schedule).dag)
        keys = [event.asset_key.to_user_string() for event in result.all_events if event.is_step_materialization]
        assert keys == ["crm_customers", "sales_load"]

    def test_a_failed_load_is_no_skip(
        self, make_module: Any, schedule: Any, pending: Any, run: Any, outcome: Any, recorder: Any
    ) -> None:
        pending("crm")
        recorder.failing = {"customers"}
        result = run(self.pipeline_of(make_module(pre_load_strategy="pending"), schedule).dag)
        assert not result.success
        assert outcome(result)["crm.load_crm.load_customers"] == "failure"
        assert "end" not in outcome(result)

    def test_a_check_outside_of_groups_lets_the_end_come_about(self, make_module: Any, run: Any, outcome: Any) -> None:
        with make_module(pre_load_strategy="pending").pipeline() as pipeline:
            check = pipeline.sl_pre_load("sales", {"orders"})
            check >> pipeline.sl_load(None, "sales", "orders") >> pipeline.end_task()
        ends = outcome(run(pipeline.dag))
        assert ends["load_sales_orders"] == "skipped"
        assert ends["end"] == "success"

    @pytest.mark.parametrize("ready", [True, False])
    def test_a_check_outside_of_groups_decides_on_all_of_a_group_after_it(
        self, make_module: Any, pending: Any, run: Any, outcome: Any, ready: bool
    ) -> None:
        """This holds for a load and for an ordering task: only the end of the pipeline leaves the check behind."""
        if ready:
            pending("sales")
        with make_module(pre_load_strategy="pending").pipeline() as pipeline:
            check = pipeline.sl_pre_load("sales", {"orders"})
            with pipeline.orchestration.sl_create_task_group("sales", pipeline) as group:
                pipeline.sl_load("orders", "sales", "orders") >> pipeline.sl_dummy_op("loaded")
            check >> group >> pipeline.end_task()
        ends = outcome(run(pipeline.dag))
        assert ends["sales.orders"] == ends["sales.loaded"] == ("success" if ready else "skipped")
        assert ends["end"] == "success"

    @pytest.mark.parametrize("ready", [True, False])
    def test_a_load_that_waits_for_something_else_too_is_skipped_all_the_same(
        self, make_module: Any, pending: Any, run: Any, outcome: Any, ready: bool
    ) -> None:
        """A fan-in input of Dagster fires on any source; a task between them requires all."""
        if ready:
            pending("sales")
        with make_module(pre_load_strategy="pending").pipeline() as pipeline:
            with pipeline.orchestration.sl_create_task_group("sales", pipeline):
                check = pipeline.sl_pre_load("sales", {"orders"})
                orders = pipeline.sl_load("orders", "sales", "orders")
                other = pipeline.sl_load("other", "sales", "other")
                [check, other] >> orders
            orders >> pipeline.end_task()
        ends = outcome(run(pipeline.dag))
        assert ends["sales.other"] == "success"
        assert ends["sales.orders"] == ("success" if ready else "skipped")
        assert ends["end"] == "success"
