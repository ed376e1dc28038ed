"""The release as a package index and a new user see it; `make release-check` runs this file.

The source distribution holds the library only: MANIFEST.in says why. README's example is typed into a shell on the
oldest and on the newest Python of this machine.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from functools import cache
from pathlib import Path

import pytest

from tests.documentation.code_blocks import Block, blocks_of
from tests.packaging.follow_page import UV, follow

ROOT = Path(__file__).resolve().parents[2]
VERSION = (ROOT / "VERSION").read_text("utf-8").strip()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with both distributions; each wheel is built from the source distribution beside it."""
    folder = tmp_path_factory.mktemp("release")
    subprocess.run(["make", "dist", f"DIST={folder}", f"VENV={sys.prefix}"], cwd=ROOT, check=True, timeout=300)
    return folder


@cache
def interpreters() -> dict[str, Path]:
    """Return the oldest and the newest Python of this machine on which the library runs."""
    places = [Path(sys.executable), *Path("/usr/bin").glob("python3.*"), *Path("/usr/local/bin").glob("python3.*")]
    places += Path.home().glob(".pyenv/versions/3.*/bin/python")
    found = {version: place for place in places if (version := version_of(place)) >= (3, 10)}
    return {"oldest": found[min(found)], "newest": found[max(found)]}


def version_of(place: Path) -> tuple[int, int]:
    """Return the version of a Python that has `venv`; (0, 0) for anything else."""
    code = "import sys, venv; print(*sys.version_info[:2])"
    done = subprocess.run([place, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    major, minor = map(int, done.stdout.split()) if done.returncode == 0 else (0, 0)
    return major, minor


def example() -> list[Block]:
    """Return the blocks of README's first screen."""
    first = (ROOT / "README.md").read_text("utf-8").partition("\n## ")[0].count("\n")
    return [block for block in blocks_of(ROOT / "README.md") if block.line < first]


def names_in(archive: Path) -> set[str]:
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


def test_both_are_built_with_one_version(dist: Path) -> None:
    assert {file.name for file in dist.iterdir()} - {".gitignore"} == {
        f"{name}-{VERSION}{end}"
        for name in ("starlake_jobs", "starlake_gcp_emulator")
        for end in (".tar.gz", "-py3-none-any.whl")
    }


def test_a_package_index_would_take_them(dist: Path) -> None:
    files = [*dist.glob("*.whl"), *dist.glob("*.tar.gz")]
    command = [Path(sys.executable).with_name("twine"), "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 4


def test_the_source_distribution_holds_the_library_and_its_wheel_is_complete(dist: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "ai"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tracked = set(listed.split())
    packed = names_in(dist / f"starlake_jobs-{VERSION}.tar.gz")
    assert tracked - packed == set()
    assert {"CHANGELOG.md", "LICENSE", "README.md", "VERSION", "pyproject.toml", "setup.cfg"} - packed == set()
    assert {name for name in packed if name.startswith(("tests", "docs", "samples", "benchmarks"))} == set()
    assert tracked - set(zipfile.ZipFile(dist / f"starlake_jobs-{VERSION}-py3-none-any.whl").namelist()) == set()


MADE = """
from importlib.metadata import version
from platform import python_version

from definitions import defs

assert defs.get_repository_def().get_job("__ASSET_JOB").execute_in_process().success
names = ("starlake-jobs", "dagster", "duckdb")
print("made on Python", python_version(), *(f"{name} {version(name)}" for name in names))
"""


@pytest.mark.parametrize("which", ["oldest", "newest"])
def test_the_example_of_the_readme_runs(which: str, dist: Path, tmp_path: Path) -> None:
    python = interpreters()[which]
    before = f"'{UV}' venv --quiet --python '{python}' .venv\nsource .venv/bin/activate\n"
    printed = follow(example(), tmp_path, dist, before=before, after=f"python - <<'END'\n{MADE}END\n").splitlines()
    assert {"asset rental/bikes", "asset rental/rides", "asset usage/bike_usage", "asset usage/daily_rides"} <= set(
        printed
    )
    [made] = [line for line in printed if line.startswith("made on Python")]
    assert f"starlake-jobs {VERSION} " in made
    print(made)
