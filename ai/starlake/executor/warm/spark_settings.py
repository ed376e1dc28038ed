"""Read the settings that Spark's own scripts turn into properties and options of the Java virtual machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ai.starlake.common import StarlakeError

_DEFAULT_MEMORY = "4g"
_LOCAL = "local"
_ENTRY = re.compile(r"\s*([^\s=:]+)\s*[\s=:]\s*(.*?)\s*")
_AT_START = ("file.", "java.", "jdk.", "sun.", "user.")
"""Properties that Java reads before any code of ours runs; all others are sent to the server in private."""


def spark_properties(spark: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the properties that spark-submit would set: of its defaults, the master and SPARK_CONF_OPTIONS.

    Unlike spark-submit, Spark shows no web page of its own unless a property enables it.

    Args:
        spark: The folder of Spark.
        environment: The environment of the command.

    Raises:
        StarlakeError: If it would do something that a warm server cannot.
    """
    master = environment.get("SPARK_MASTER_URL") or "local[*]"
    if not master.startswith(_LOCAL):
        raise _unfit(f"SPARK_MASTER_URL is {master}", "a warm server runs Spark itself, in local mode only")
    if environment.get("SPARK_EXTRA_PACKAGES"):
        raise _unfit("SPARK_EXTRA_PACKAGES is set", "only spark-submit fetches packages")
    defaults = dict(_defaults(spark)) if spark else {}
    options = dict(_conf_options(environment.get("SPARK_CONF_OPTIONS", "")))
    # a page for everyone on the network, for as long as the virtual machine lives: only if the user asks for it
    own = {"spark.ui.enabled": "false", "spark.app.name": "ai.starlake.job.Main"}
    return {**own, **defaults, "spark.master": master, **options}


def heap(properties: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """Return the heap size: that of Spark's driver, like spark-submit."""
    return properties.get("spark.driver.memory") or environment.get("SPARK_DRIVER_MEMORY") or _DEFAULT_MEMORY


def driver_options(properties: Mapping[str, str], environment: Mapping[str, str]) -> list[str]:
    """Return the user's Java options for Spark's driver, or else those of the proxies.

    Raises:
        StarlakeError: If they have unclosed quotes.
    """
    given = environment.get("SPARK_DRIVER_OPTIONS", "")
    options = _words("spark.driver.defaultJavaOptions", properties.get("spark.driver.defaultJavaOptions", ""))
    return [*options, *(_words("SPARK_DRIVER_OPTIONS", given) if given else _proxies(environment))]


def split_options(options: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the options for the command line, which all users can see, and the properties for the server alone."""
    seen, private = [], {}
    for option in options:
        name, _, value = option.removeprefix("-D").partition("=")
        if option.startswith("-D") and not name.startswith(_AT_START):
            private[name] = value
        else:
            seen.append(option)
    return seen, private


def _words(name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise StarlakeError(f"{name} cannot be split into options", cause=str(error), fix="close its quotes") from error


def _unfit(culprit: str, cause: str) -> StarlakeError:
    return StarlakeError(
        f"{culprit}, which a warm server cannot do", cause=cause, fix="run these commands without warm"
    )


def _defaults(spark: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = (spark / "conf/spark-defaults.conf").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        entry = _ENTRY.fullmatch(line)
        if entry and not line.lstrip().startswith("#"):
            yield entry[1], entry[2]


def _conf_options(text: str) -> Iterator[tuple[str, str]]:
    """Read any number of `--conf name=value`. The script splits at blanks, regardless of quotes."""
    words = iter(text.split())
    for word in words:
        option, equals, value = word.partition("=")
        setting = (
            value if equals and option in ("--conf", "-c") else next(words, "") if word in ("--conf", "-c") else ""
        )
        name, equals, value = setting.partition("=")
        if not equals:
            raise _unfit(f"SPARK_CONF_OPTIONS has {option}", "only --conf name=value can be read")
        yield name, value


def _proxies(environment: Mapping[str, str]) -> Iterator[str]:
    for kind in ("https", "http"):
        given = environment.get(f"{kind.upper()}_PROXY", "")
        address = urlsplit(given if "://" in given else f"http://{given}")
        try:
            values = {"Host": address.hostname, "Port": address.port, "User": address.username}
        except ValueError:  # the port is not a number; the script ignores such an address
            continue
        values["Password"] = address.password
        for name, value in values.items():
            if given and value:
                yield f"-D{kind}.proxy{name}={unquote(str(value))}"
