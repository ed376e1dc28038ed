"""Determine how to start a Java virtual machine that runs the commands of a `starlake` executable."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.executor.warm.installation import StarlakeInstallation, find_java, java_version
from ai.starlake.executor.warm.spark_settings import driver_options, heap, spark_properties, split_options
from ai.starlake.executor.warm.warm_frames import PROTOCOL
from ai.starlake.executor.warm.warm_settings import WarmSettings

SERVER_CLASSES = Path(__file__).with_name("java")
"""Folder of the server's source and class files."""
_MAIN = "StarlakeWarmServer"
_OPENED = (
    *(f"java.base/java.{name}" for name in ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util")),
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    *(f"java.base/sun.{name}" for name in ("nio.ch", "nio.cs", "util.calendar")),
    "java.security.jgss/sun.security.krb5",
)
"""Packages that Spark accesses, as opened by its own scripts; the server itself needs java.lang."""
_UNSAFE_WARNS_FROM = 23
_NATIVE_WARNS_FROM = 24

_OF_JAVA = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "LD_LIBRARY_PATH", "LANG", "LANGUAGE", "TMPDIR", "TZ")
_STARTS_WITH = frozenset((*_OF_JAVA, "HOME", "LOGNAME", "PATH", "USER", "SL_ENV", "SL_ROOT"))
"""Variables that the virtual machine itself reads, and that processes need when they are started with an empty
environment. Secrets come with each command."""
_OF_SPARK = ("HADOOP_", "PYSPARK_", "SPARK_", "YARN_", "SL_SPARK", "SL_FS", "SL_METADATA", "SL_STORAGE")
_OF_CLOUDS = (
    "AWS_",
    "AZURE_",
    "CLOUDSDK_",
    "GCP_",
    "GCS_",
    "GOOGLE_",
    "KRB5",
    "SNOWFLAKE_",
    "SL_USE_CONNECTION_POOLING",
)
_OF_PROXIES = ("HTTPS_", "HTTP_", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_OF_STARLAKE = ("SL_API_APP_TYPE", "SL_DATASETS", "SL_USE_CONNECTION_POOLING")
_READ_ONCE = (*_OF_STARLAKE, *_OF_SPARK, *_OF_CLOUDS, *_OF_PROXIES)
"""Prefixes of variables that Spark, connection pools and cloud clients read only once."""


@dataclass(frozen=True)
class WarmLaunch:
    """Everything needed to start a server.

    Args:
        java: The Java binary.
        class_path: The class path, the server's own folder included.
        jvm_options: The options of the virtual machine; without secrets.
        environment: The variables to start it with, without secrets. Each command has its own environment.
        folder: The working folder, which is the same for all of its commands.
        fingerprint: A digest of everything that two commands must have in common to share a server.
        heap: The largest size of the heap, such as ``4g``.
        version: The version of Starlake in the name of its jar.
        added: Variables that the `starlake` script adds to the environment of a command.
        properties: System properties for the `START` frame: they may be secret, and the command line is not.
    """

    java: str
    class_path: Sequence[str]
    jvm_options: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    fingerprint: str
    heap: str = ""
    version: str = ""
    added: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, executable: Sequence[str], environment: Mapping[str, str], settings: WarmSettings, *, folder: Path
    ) -> WarmLaunch:
        """Derive the launch from the executable and the environment of a command. Starts nothing.

        Args:
            executable: The result of `find_executable`.
            environment: The environment of the command.
            settings: The user's settings, which take precedence.
            folder: The working folder of the command.

        Raises:
            StarlakeError: If it cannot be derived; the error names the missing part, the searched places, and the
                option that sets it.
        """
        if len(executable) > 1:
            raise StarlakeError(
                f"the executable {' '.join(executable)} has arguments of its own",
                cause="a warm server calls Starlake itself, and cannot know what they do",
                fix="name the starlake script alone",
            )
        installation = None if settings.class_path else StarlakeInstallation.of(executable, environment)
        home = installation.home if installation else None
        java = find_java(settings.java, home, environment)
        properties = spark_properties(installation.spark if installation else None, environment)
        seen, private = split_options([*driver_options(properties, environment), *settings.jvm_options])
        options = [f"-Xmx{heap(properties, environment)}", *_opening(java_version(java)), *seen]
        path = installation.class_path(environment) if installation else list(settings.class_path)
        starts_with = {name: value for name, value in environment.items() if _is_for_start(name)}
        read_once = {name: value for name, value in environment.items() if name.startswith(_READ_ONCE)}
        added = _added(installation, environment, folder)
        inputs = {
            "executable": list(executable),
            "java": str(java),
            "options": options,
            "properties": {**properties, **private},
            "variables": {**starts_with, **read_once},
            "folder": [str(folder), *_identity(folder)],
            "protocol": PROTOCOL,
            "files": _versions([*path, *map(str, SERVER_CLASSES.glob("*.class")), *_settings_of(added["SL_ROOT"])]),
        }
        return cls(
            java=str(java),
            class_path=[str(SERVER_CLASSES), *path],
            jvm_options=options,
            properties={**properties, **private},
            environment=starts_with,
            folder=folder,
            fingerprint=hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(),
            heap=next(option for option in reversed(options) if option.startswith("-Xmx")).removeprefix("-Xmx"),
            version=installation.version if installation else "",
            added=added,
        )

    def argv(self) -> list[str]:
        """Return the command line of the server, without secrets."""
        return [self.java, *self.jvm_options, "-cp", os.pathsep.join(self.class_path), _MAIN]

    def of_command(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a command as the `starlake` script would pass it to Java."""
        return {**environment, **self.added}


def _opening(version: int | None) -> list[str]:
    """Return the options that open packages to Spark and the server. Unknown versions get those that all accept."""
    options = ["-XX:+IgnoreUnrecognizedVMOptions", *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED)]
    if version is not None and version >= _UNSAFE_WARNS_FROM:
        options.append("--sun-misc-unsafe-memory-access=allow")
    if version is not None and version >= _NATIVE_WARNS_FROM:
        options.append("--enable-native-access=ALL-UNNAMED")
    return options


def _is_for_start(name: str) -> bool:
    return name in _STARTS_WITH or name.startswith("LC_")


def _added(
    installation: StarlakeInstallation | None, environment: Mapping[str, str], folder: Path
) -> Mapping[str, str]:
    added = {
        "SL_ROOT": environment.get("SL_ROOT") or str(folder),
        "SL_MAIN": "ai.starlake.job.Main",
        "SPARK_LOCAL_HOSTNAME": "127.0.0.1",
        "SPARK_DRIVER_MEMORY": environment.get("SPARK_DRIVER_MEMORY") or "4g",
        "SPARK_MASTER_URL": environment.get("SPARK_MASTER_URL") or "local[*]",
    }
    if installation:
        added |= {"SL_SCRIPT_DIR": str(installation.home), "SPARK_HOME": str(installation.spark)}
    return added


def _settings_of(root: str) -> list[str]:
    """Return the files with the Spark settings of a project, which apply for the life of a virtual machine."""
    folder = Path(root, "metadata")
    return sorted(str(path) for path in folder.glob("application*") if path.is_file()) if folder.is_absolute() else []


def _identity(folder: Path) -> list[int]:
    """Return what changes when a folder is replaced: a virtual machine would stay in the old one."""
    try:
        status = folder.stat()
    except OSError:
        return []
    return [status.st_dev, status.st_ino]


def _versions(files: Iterable[str]) -> list[tuple[str, int, int]]:
    """Return an identity that changes with a file; the folder of jars represents its files."""
    found = []
    for name in files:
        try:
            status = Path(name.removesuffix("*")).stat()
        except OSError:
            continue
        found.append((name, status.st_mtime_ns, status.st_size))
    return found
