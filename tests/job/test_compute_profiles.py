"""Named sizes of the option `compute`, and which of them a command has."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.job import ComputeProfile, JobOptions
from ai.starlake.job.compute_choices import ComputeChoice, chosen_profile, section_choice
from ai.starlake.job.compute_profiles import SECTIONS, read_profiles
from ai.starlake.job.compute_sections import bytes_of
from ai.starlake.job.names import InvalidComputeError

PROFILES: dict[str, Any] = {
    "small": {"duckdb": {"threads": 1, "memory_limit": "200MB"}},
    "large": {"spark": {"executor_memory": "16g", "driver_cores": 2}, "process": {"memory": "2GiB", "nice": 5}},
}


def read(**options: Any) -> dict[str, ComputeProfile]:
    return JobOptions.read(options).compute


@pytest.mark.parametrize("form", ["mapping", "json", "file"])
def test_profiles_are_a_mapping_or_json_or_a_file(form: str, tmp_path: Path) -> None:
    file = tmp_path / "compute.yml"
    file.write_text(json.dumps(PROFILES))
    made = read(compute={"mapping": PROFILES, "json": json.dumps(PROFILES), "file": str(file)}[form])
    assert made["small"].sizes("duckdb", "process") == {"duckdb.threads": "1", "duckdb.memory_limit": "200MB"}
    assert made["large"].spark.properties == {"spark.executor.memory": "16g", "spark.driver.cores": "2"}


def test_a_profile_is_data_that_does_not_change() -> None:
    small = read(compute=PROFILES)["small"]
    with pytest.raises(ValueError, match="frozen"):
        small.duckdb.threads = 4  # type: ignore[misc]  # that it is refused is what is tested
    assert pickle.loads(pickle.dumps(small)) == small
    assert hash(small) == hash(read(compute=PROFILES)["small"])
    assert repr(small) == "ComputeProfile(name='small', duckdb.threads='1', duckdb.memory_limit='200MB')"


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (
            {"small": {"duckdb": {"memory_limit": "lots"}}},
            "small.duckdb.memory_limit: 'lots' is not accepted: it is not a size; write a number with a unit, such as",
        ),
        ({"small": {"duckdb": {"thread": 1}}}, "option compute: small.duckdb.thread is not known; did you mean thr"),
        ({"small": {"duckbd": {}}}, "option compute: small.duckbd is not known; did you mean duckdb?"),
        ({"small": {"duckdb": {"threads": 0}}}, "small.duckdb.threads: 0 is not accepted: input should be greater"),
        ({"small": {"spark": {"executor_memory": "4"}}}, "small.spark.executor_memory: '4' is not accepted: it is no"),
        ({"small": {"cloud_run": {"memory": "2GB"}}}, "small.cloud_run.memory: '2GB' is not accepted: it is not a s"),
        ({"small": {"process": {"nice": -1}}}, "small.process.nice: -1 is not accepted"),
        ({"Small": {}}, "Small: it cannot be the name of a profile"),
        ({"a_b": {}, "a-b": {}}, "a_b and a-b differ by - and _ only"),
        ({"small": 3}, "small: 3 is not a profile"),
        ("missing.yml", "option compute: missing.yml cannot be read: No such file"),
        ("[1]", "option compute: it is not a JSON object"),
    ],
)
def test_what_is_wrong_is_said_with_profile_field_and_value(compute: Any, message: str) -> None:
    with pytest.raises(StarlakeError) as error:
        read(compute=compute)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "polars",
    [
        {"client_secret": "hunter2"},
        {"client_secret": ["hunter2"]},
        {"env_vars": "hunter2"},
        {"env_vars": {"A": ["hunter2"]}},
    ],
)
def test_what_may_be_a_secret_is_not_shown(polars: Any) -> None:
    with pytest.raises(StarlakeError, match=r"a\.polars\.\w+: a value of type") as error:
        read(compute={"a": {"polars": polars}})
    assert "hunter2" not in str(error.value)


def test_a_file_that_is_no_yaml_is_named_with_its_line_and_nothing_of_it_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "compute.yml"
    file.write_text("small:\n  polars: {client_secret: hunter2-hunter2\nlarge: {}\n")
    with pytest.raises(StarlakeError) as error:
        read(compute=str(file))
    assert f"option compute: {file}:3 is not valid YAML" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(StarlakeError) as error:
        read(compute={"small": {"duckdb": {"threads": "x"}}, "large": {"spark": {"driver_memory": "x"}}})
    assert len(str(error.value).splitlines()) == 2


def test_a_default_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(StarlakeError, match="option compute_profile: there is no compute profile 'smal'") as error:
        read(compute=PROFILES, compute_profile="smal")
    assert "did you mean small?" in str(error.value)


def test_the_last_choice_counts_and_each_has_to_exist() -> None:
    profiles = read(compute=PROFILES)
    general, special = ComputeChoice("small", "the option"), ComputeChoice("large", "the table")
    assert chosen_profile(profiles, general, None, special) == profiles["large"]
    assert chosen_profile(profiles, general, None, None) == profiles["small"]
    assert chosen_profile(profiles, None, None) is None
    with pytest.raises(StarlakeError, match=r"orders\.sl\.yml:7: there is no compute profile 'larg'"):
        chosen_profile(profiles, ComputeChoice("larg", "orders.sl.yml:7"), special)


def test_the_section_of_an_op_counts_more_than_that_of_its_table() -> None:
    options = {"shop.orders": {"compute_profile": "small"}, "load_orders": {"compute_profile": "large"}, "other": 1}
    names = ("shop_orders", "shop.orders", "load_orders")
    assert section_choice(options, names[:2]) == ComputeChoice(
        "small", "option compute_profile in the section 'shop.orders' of the options"
    )
    assert getattr(section_choice(options, names), "name", None) == "large"
    assert section_choice(options, ["other"]) is None


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["2GB", "4g", "2Gi"])
NAMES = st.sampled_from([*SECTIONS, "threads", "memory", "executor_memory", "job", "num_workers", "env_vars", "x", ""])


@settings(max_examples=50, deadline=None)
@given(st.recursive(SCALARS, lambda inner: st.dictionaries(NAMES, inner, max_size=4) | st.lists(inner, max_size=2)))
def test_whatever_is_given_is_read_or_explained(value: Any) -> None:
    try:
        made = read_profiles({"small": value})
    except InvalidComputeError as error:
        problems = str(error).splitlines()
        assert problems[0].startswith("option compute: small")
    else:
        assert all(profile == pickle.loads(pickle.dumps(profile)) for profile in made.values())


@pytest.mark.parametrize(
    ("text", "size"), [("2GB", 2_000_000_000), ("512MiB", 512 * 1024**2), ("1.5 KB", 1500), ("10b", 10)]
)
def test_sizes_are_read_as_duckdb_reads_them(text: str, size: int) -> None:
    assert bytes_of(text) == size
