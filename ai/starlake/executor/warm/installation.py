"""Find the files behind the `starlake` script: Starlake's jar, its dependencies, Spark and Java."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ai.starlake.common import StarlakeError

_JARS = "bin/sl/starlake-core_*-assembly.jar"
_JAR_NAME = re.compile(r"starlake-core_(?P<scala>[^-]+)-(?P<version>.+)-assembly\.jar")
_ASSIGNED = re.compile(r"^\s*(?:export\s+)?(\w+)=\"?(?:\$\{\1:-)?([^}\"\s]*)\}?\"?\s*$", re.MULTILINE)
_JAVA_VERSION = re.compile(r"^JAVA_VERSION=\"?(?:1\.)?(\d+)", re.MULTILINE)
OLDEST_JAVA = 11
HOW_TO_SET = "set the option warm_class_path to the jars of Starlake, its dependencies and Spark"


@dataclass(frozen=True)
class StarlakeInstallation:
    """Files that belong together.

    Args:
        home: The folder of the `starlake` script.
        jar: The jar of Starlake.
        spark: The folder of Spark.
        version: The version of Starlake, from the name of its jar.
    """

    home: Path
    jar: Path
    spark: Path
    version: str

    @classmethod
    def of(cls, executable: Sequence[str], environment: Mapping[str, str]) -> StarlakeInstallation:
        """Return the installation of an executable.

        Args:
            executable: The result of `find_executable`.
            environment: The environment of the command.

        Raises:
            StarlakeError: If there is none, or more than one.
        """
        homes = _homes(executable, environment)
        found = next((jars for home in homes if (jars := sorted(home.glob(_JARS)))), [])
        if not found:
            raise _underivable(f"there is no {_JARS} in {' or '.join(map(str, homes))}")
        jar = _wanted(found, environment)
        home = jar.parents[2]
        sparks = [home / "bin/spark", *map(Path, filter(None, [environment.get("SPARK_HOME")]))]
        spark = next((spark for spark in sparks if (spark / "jars").is_dir()), None)
        if spark is None:
            raise _underivable(f"there is no folder jars in {' or '.join(map(str, sparks))}")
        script = spark / "conf/spark-env.sh"
        if script.exists():
            raise _underivable(f"only Spark's own scripts can read {script}")
        name = _JAR_NAME.fullmatch(jar.name)
        return cls(home, jar, spark, name["version"] if name else "")

    def class_path(self, environment: Mapping[str, str]) -> list[str]:
        """Return the class path, in the order of spark-submit."""
        dependencies = sorted(map(str, (self.home / "bin/deps").glob("*.jar")))
        more = [environment.get(name, "") for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_DIST_CLASSPATH")]
        own = [str(self.jar), *dependencies, str(self.spark / "conf"), str(self.spark / "jars" / "*")]
        return [*own, *filter(None, more)]


def find_java(wanted: str | None, home: Path | None, environment: Mapping[str, str]) -> Path:
    """Return the Java that the `starlake` script would run.

    Args:
        wanted: The path or name from the user.
        home: The folder of the script, which may have a Java of its own.
        environment: The environment of the command.

    Raises:
        StarlakeError: If there is none, or it is too old.
    """
    folder = environment.get("JAVA_HOME") or None
    own = [str(home / "jdk/bin/java")] if home else []
    candidates = [wanted] if wanted else [f"{folder}/bin/java"] if folder else [*own, "java"]
    search_path = environment.get("PATH", os.defpath)
    found = next((hit for candidate in candidates if (hit := shutil.which(candidate, path=search_path))), None)
    if found is None:
        raise StarlakeError(
            "Java was not found for the warm server",
            cause=f"looked for {' and '.join(candidates)}; PATH is {search_path}",
            fix="install Java 17, and set JAVA_HOME or the option warm_java",
        )
    version = java_version(Path(found))
    if version is not None and version < OLDEST_JAVA:
        raise StarlakeError(
            f"{found} is Java {version}",
            cause=f"a warm server needs Java {OLDEST_JAVA} or later",
            fix="install Java 17, and set JAVA_HOME or the option warm_java",
        )
    return Path(found)


def java_version(java: Path) -> int | None:
    """Return the major version in the `release` file of a Java, without starting it; None if it has none."""
    try:
        text = (java.resolve().parents[1] / "release").read_text(encoding="utf-8")
    except (OSError, IndexError, ValueError):
        return None
    found = _JAVA_VERSION.search(text)
    return int(found[1]) if found else None


def _homes(executable: Sequence[str], environment: Mapping[str, str]) -> list[Path]:
    """Return the folders in which the script may be installed; it does not resolve links itself."""
    script = Path(executable[0])
    told = environment.get("SL_SCRIPT_DIR")
    homes = [script.parent, script.resolve().parent, *([Path(told)] if told else [])]
    return list(dict.fromkeys(homes))


def _wanted(jars: Sequence[Path], environment: Mapping[str, str]) -> Path:
    """Return the jar of the version in the environment, or else in versions.sh."""
    if len(jars) == 1 and not {"SL_VERSION", "SCALA_VERSION"} & environment.keys():
        return jars[0]
    versions = {**dict(_assigned(jars[0].parents[2] / "versions.sh")), **environment}
    scala, version = (versions.get(name, "") for name in ("SCALA_VERSION", "SL_VERSION"))
    name = f"starlake-core_{scala}-{version}-assembly.jar"
    found = next((jar for jar in jars if jar.name == name), None)
    if found is None:
        there = ", ".join(jar.name for jar in jars)
        raise _underivable(f"{jars[0].parent} has {there}, not {name} of SCALA_VERSION and SL_VERSION")
    return found


def _assigned(file: Path) -> Iterator[tuple[str, str]]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for found in _ASSIGNED.finditer(text):
        yield found[1], found[2]


def _underivable(cause: str) -> StarlakeError:
    return StarlakeError("the class path of Starlake cannot be derived", cause=cause, fix=HOW_TO_SET)
