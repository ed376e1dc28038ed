"""Compute profiles of the commands of assets, and where they are shown."""

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import AssetExecutionContext, Definitions, materialize

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import (
    DagsterStarlakeTranslator,
    StarlakeResource,
    build_starlake_definitions,
    starlake_assets,
)
from ai.starlake.executor import StarlakeResult
from ai.starlake.job import StarlakeCommand
from ai.starlake.job.compute_choices import COMPUTE_TAG
from ai.starlake.project.assets.project_item import ProjectItem
from tests.dagster.assets.conftest import Folder
from tests.dagster.assets.reporting import Reporting, ReportingJob, loaded, run

PROFILES = {name: {"duckdb": {"threads": number}} for number, name in enumerate("abcdef", 1)}


class Profiled(Reporting):
    """An executor that notes the profile of each command."""

    def __init__(self) -> None:
        super().__init__({})
        self.profiles: dict[str, str | None] = {}

    def run(self, command: StarlakeCommand, _execution: object) -> StarlakeResult:
        names = [f"{command.value_of('--domains')}.{each}" for each in (command.value_of("--tables") or "").split(",")]
        name = command.value_of("--name") or "+".join(names)
        profile = command.compute
        self.profiles[name] = profile.name if profile else None
        return StarlakeResult(
            0.1, tables=tuple(loaded(each) for each in name.split("+")), sizes={"duckdb.threads": "9"}
        )

    def reports_tables(self, command: StarlakeCommand, execution: object) -> bool:
        return True


class ProfiledJob(ReportingJob):
    def __init__(self, options: dict[str, Any] | None = None) -> None:
        super().__init__({}, {"compute": PROFILES, "stage": False, **(options or {})})
        self.reporting = Profiled()

    @property
    def profiles(self) -> dict[str, str | None]:
        return self.reporting.profiles


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Return a project of two tables and a task; one table and the task name a profile, as does the other's domain."""
    folder.table("shop", "plain")
    folder.table("shop", "own", more="metadata:\n  compute: b\n")
    folder.task("kpis", "sums", "SELECT 1 AS n", "task:\n  compute: c\n")
    return folder


def tags(definitions: Definitions) -> dict[str, str | None]:
    """Return the profile that the tag of each asset and that of its step name."""
    graph = definitions.get_repository_def().asset_graph
    found = {}
    for key in graph.executable_asset_keys:
        definition = graph.get(key).assets_def
        named = {definition.specs_by_key[key].tags.get(COMPUTE_TAG), definition.op.tags.get(COMPUTE_TAG)}
        assert len(named) == 1
        found[".".join(key.path)] = named.pop()
    return found


def test_without_profiles_nothing_is_tagged(folder: Folder) -> None:
    folder.table("shop", "plain")
    job = ProfiledJob({"compute": None})
    definitions = build_starlake_definitions(folder.root, job)
    assert tags(definitions) == {"shop.plain": None}
    ran = run(definitions)
    assert job.profiles == {"shop.plain": None}
    assert not [name for name in ran.materializations[0].metadata if "compute" in name]


def test_what_takes_precedence(shop: Folder) -> None:
    class Translator(DagsterStarlakeTranslator):
        def get_compute_profile(self, item: ProjectItem) -> str | None:
            return "e" if item.name == "own" else super().get_compute_profile(item)

    def profiles(options: dict[str, Any] | None = None, config: dict[str, Any] | None = None, **arguments: Any) -> Any:
        job = ProfiledJob(options)
        definitions = build_starlake_definitions(shop.root, job, **arguments)
        shown = tags(definitions)
        ran = run(definitions, config=config)
        assert ran.success
        if config is None:
            assert shown == job.profiles
        return job.profiles["shop.plain"], job.profiles["shop.own"], job.profiles["kpis.sums"]

    default = {"compute_profile": "a"}
    section = {**default, "shop.own": {"compute_profile": "d"}}
    assert profiles() == (None, "b", "c"), "the metadata"
    assert profiles(default) == ("a", "b", "c"), "metadata before the default"
    assert profiles(section) == ("a", "d", "c"), "a section before metadata"
    assert profiles({"shop_own": {"compute_profile": "d"}}) == (None, "d", "c"), "by its name as an op, too"
    assert profiles(section, translator=Translator()) == ("a", "e", "c"), "code before options"
    assert profiles(section, translator=Translator(), compute="f") == ("f", "f", "f"), "an argument before all"
    of_run = {"ops": {"shop__own": {"config": {"options": {"compute_profile": "a"}}}}}
    assert profiles(compute="f", config=of_run) == ("f", "a", "f"), "and a run before the code"


def test_a_domain_has_a_profile_for_its_tables(folder: Folder) -> None:
    folder.write("load/shop/_config.sl.yml", "version: 1\nload:\n  metadata:\n    compute: a\n")
    folder.table("shop", "plain")
    folder.table("shop", "own", more="compute: b\n")
    assert tags(build_starlake_definitions(folder.root, ProfiledJob())) == {"shop.plain": "a", "shop.own": "b"}


@pytest.mark.parametrize(
    ("more", "place"),
    [("metadata:\n  compute: bb\n", "own.sl.yml:8"), ("compute: bb\n", "own.sl.yml:7"), ("", "_config.sl.yml:4")],
)
def test_an_unknown_profile_is_named_with_its_file_and_line(folder: Folder, more: str, place: str) -> None:
    folder.write("load/shop/_config.sl.yml", "version: 1\nload:\n  metadata:\n    compute: bb\n")
    folder.table("shop", "own", more=more)
    with pytest.raises(StarlakeError) as error:
        build_starlake_definitions(folder.root, ProfiledJob())
    assert f"{place}: compute: there is no compute profile 'bb'" in str(error.value)
    assert "did you mean b?" in str(error.value)


def test_an_unknown_profile_of_a_task_is_named_with_its_file_and_line(folder: Folder) -> None:
    folder.task("kpis", "sums", "SELECT 1 AS n", "version: 1\ntask:\n  comment: x\n  compute: cc\n")
    with pytest.raises(StarlakeError, match=r"sums\.sl\.yml:4: compute: there is no compute profile 'cc'"):
        build_starlake_definitions(folder.root, ProfiledJob())


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ({"compute": "x"}, {}, "the argument compute of bakery: there is no compute profile 'x'"),
        ({}, {"shop.own": {"compute_profile": "x"}}, "in the section 'shop.own' of the options: there is no compute"),
        ({}, {"shop.owm": {"compute_profile": "a"}}, "did you mean shop.own?"),
    ],
)
def test_other_mistakes_are_named(shop: Folder, arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(StarlakeError) as error:
        tags(build_starlake_definitions(shop.root, ProfiledJob(options), **arguments))
    assert message in str(error.value)


def test_an_unknown_profile_of_a_run_fails_its_step(shop: Folder) -> None:
    config = {"ops": {"shop__plain": {"config": {"options": {"compute_profile": "x"}}}}}
    ran = run(build_starlake_definitions(shop.root, ProfiledJob()), config=config, assets=["shop/plain"])
    assert "option compute_profile of the run: there is no compute profile 'x'" in ran.failure


def test_steps_are_divided_by_profile(shop: Folder) -> None:
    """Tables of one profile are loaded together; the others are a step of their own."""
    shop.table("shop", "second")
    job = ProfiledJob({"compute_profile": "a"})
    definitions = build_starlake_definitions(shop.root, job, batched=True)
    assert tags(definitions) == {"shop.plain": "a", "shop.second": "a", "shop.own": "b", "kpis.sums": "c"}
    assert run(definitions).success
    assert job.profiles == {"shop.plain+shop.second": "a", "shop.own": "b", "kpis.sums": "c"}


def test_a_step_of_yours_has_a_profile_for_each_command(shop: Folder) -> None:
    job = ProfiledJob()
    starlake = StarlakeResource.from_job(job)

    @starlake_assets(project=shop.root)
    def everything(context: AssetExecutionContext, starlake: StarlakeResource) -> Iterator[Any]:
        yield from starlake.run(context)

    assert materialize([everything], resources={"starlake": starlake}).success
    assert job.profiles == {"shop.plain": None, "shop.own": "b", "kpis.sums": "c"}


def test_a_step_of_yours_may_choose_one_for_all(shop: Folder) -> None:
    job = ProfiledJob()
    starlake = StarlakeResource.from_job(job)

    @starlake_assets(project=shop.root)
    def everything(context: AssetExecutionContext, starlake: StarlakeResource) -> Iterator[Any]:
        yield from starlake.run(context, compute_profile="f")

    assert materialize([everything], resources={"starlake": starlake}).success
    assert set(job.profiles.values()) == {"f"}


def test_a_project_with_profiles_runs_where_there_are_none(shop: Folder) -> None:
    """The tag says which one it would have; the commands have no sizes."""
    job = ProfiledJob({"compute": None})
    definitions = build_starlake_definitions(shop.root, job)
    assert tags(definitions) == {"shop.plain": None, "shop.own": "b", "kpis.sums": "c"}
    assert run(definitions).success
    with pytest.raises(StarlakeError, match="the argument compute of bakery: there is no compute profile 'b'"):
        tags(build_starlake_definitions(shop.root, job, compute="b"))


def test_a_step_of_yours_fails_if_its_job_has_other_profiles(shop: Folder) -> None:
    starlake = StarlakeResource.from_job(ProfiledJob({"compute": {"z": {}}}))

    @starlake_assets(project=shop.root, compute="f")
    def everything(context: AssetExecutionContext, starlake: StarlakeResource) -> Iterator[Any]:
        yield from starlake.run(context)

    result = materialize([everything], resources={"starlake": starlake}, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "there is no compute profile" in str(failure.event_specific_data)


def test_what_ran_says_with_which_sizes(shop: Folder) -> None:
    ran = run(build_starlake_definitions(shop.root, ProfiledJob()), assets=["shop/own"])
    (made,) = ran.materializations
    assert made.metadata[COMPUTE_TAG].value == "b"
    assert made.metadata["starlake/compute_sizes"].value == {"duckdb.threads": "9"}


def test_the_code_version_is_that_of_the_rows(folder: Folder) -> None:
    folder.table("shop", "plain")
    before = folder.specs()["shop/plain"].code_version
    folder.table("shop", "plain", more="metadata:\n  compute: b\n")
    assert folder.specs()["shop/plain"].code_version == before
