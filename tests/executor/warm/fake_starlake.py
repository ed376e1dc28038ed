"""Installs a fake Starlake, of the folder `java` beside this file, as Starlake's own setup does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ai.starlake.testing

RUNS = "FAKE_STARLAKE_RUNS"
"""The variable that names what the fake runs instead of the stand-in of the executor contract."""
NO_JDK = "no JDK: the fake Starlake cannot be compiled, there is no javac on PATH"
_JAVA = Path(__file__).with_name("java")
_STAND_IN = Path(ai.starlake.testing.__file__).with_name("_stand_in_main.py")
_JAR = "starlake-core_2.13-1.5.16-assembly.jar"
_SCRIPT = """\
#!/bin/bash
# as Starlake's own: one virtual machine per command
here="$(cd "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
source "$here/versions.sh"
export SL_ROOT="${SL_ROOT:-$(pwd)}"
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto \\
  -cp "$here/bin/spark/jars/*:$here/bin/deps/*:$here/bin/sl/starlake-core_$SCALA_VERSION-$SL_VERSION-assembly.jar" \\
  ai.starlake.job.Main "$@"
"""
_VERSIONS = """\
#!/bin/bash
SL_VERSION=${SL_VERSION:-1.5.16}
SCALA_VERSION=${SCALA_VERSION:-2.13}
SPARK_VERSION="${SPARK_VERSION:-3.5.8}"
HADOOP_VERSION=${HADOOP_VERSION:-3}
"""


@dataclass(frozen=True)
class FakeStarlake:
    """An installed fake.

    Args:
        home: The folder of the installation.
    """

    home: Path

    @property
    def starlake(self) -> Path:
        """The executable."""
        return self.home / "starlake"

    @property
    def spark_home(self) -> Path:
        """The folder of Spark."""
        return self.home / "bin/spark"

    def environment(self, root: Path, **variables: str) -> Mapping[str, str]:
        """Return an environment for commands on a project."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, "SL_ROOT": str(root), **variables}


def jdk() -> bool:
    """Return True if the fake can be compiled."""
    return shutil.which("javac") is not None


def compile_java(sources: Path, classes: Path) -> None:
    """Compile all sources of a folder."""
    files = [str(path) for path in sorted(sources.rglob("*.java"))]
    classes.mkdir(parents=True, exist_ok=True)
    command = ["javac", "-J-XX:TieredStopAtLevel=1", "--release", "11", "-d", str(classes), *files]
    subprocess.run(command, check=True, timeout=600)


def make_jar(classes: Path, jar: Path) -> None:
    """Pack all files of a folder."""
    jar.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(jar, "w") as archive:
        for path in sorted(classes.rglob("*")):
            archive.write(path, path.relative_to(classes))


def install_fake_starlake(home: Path) -> FakeStarlake:
    """Compile the fake and install it into a folder."""
    classes = home / "classes"
    compile_java(_JAVA, classes)
    properties = f"python={sys.executable}\nstand_in={_STAND_IN}\n"
    (classes / "fake.properties").write_text(properties, encoding="utf-8")
    make_jar(classes, home / "bin/sl" / _JAR)
    for folder in ("bin/deps", "bin/spark/jars", "bin/spark/conf"):
        (home / folder).mkdir(parents=True)
    (home / "bin/spark/conf/log4j2.properties").touch()
    (home / "bin/spark/jars/spark-core_2.13-3.5.8.jar").write_bytes(b"PK\x05\x06" + bytes(18))
    (home / "versions.sh").write_text(_VERSIONS, encoding="utf-8")
    fake = FakeStarlake(home)
    fake.starlake.write_text(_SCRIPT, encoding="utf-8")
    fake.starlake.chmod(0o755)
    return fake
