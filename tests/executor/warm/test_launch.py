from __future__ import annotations

import os

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor.warm.installation import java_version
from ai.starlake.executor.warm.launch import SERVER_CLASSES, WarmLaunch
from ai.starlake.executor.warm.warm_settings import WarmSettings

VERSIONS = 'SL_VERSION=${SL_VERSION:-1.5.16}\nSCALA_VERSION=${SCALA_VERSION:-2.13}\nSPARK_VERSION="3.5.8"\n'


class Machine:
    """A machine with Starlake and Java, as far as a launch is derived from it; nothing on it runs."""

    def __init__(self, folder):
        self.home = folder / "starlake"
        self.root = folder / "project"
        self.jar("2.13", "1.5.16")
        self.file(self.home / "starlake", mode=0o755)
        self.file(self.home / "versions.sh", VERSIONS)
        for name in ("b.jar", "a.jar"):
            self.file(self.home / "bin/deps" / name)
        self.file(self.home / "bin/spark/jars/spark-core_2.13-3.5.8.jar")
        self.root.mkdir()
        self.java = self.jdk(folder / "jdk17", "17.0.15")
        self.environment = {"PATH": str(self.java.parent), "SL_ROOT": str(self.root)}

    def jar(self, scala, version):
        return self.file(self.home / f"bin/sl/starlake-core_{scala}-{version}-assembly.jar")

    def jdk(self, folder, version):
        self.file(folder / "release", f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
        return self.file(folder / "bin/java", mode=0o755)

    def file(self, path, text="", mode=0o644):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def launch(self, executable=None, folder=None, unset=(), settings=None, **variables):
        environment = {name: value for name, value in {**self.environment, **variables}.items() if name not in unset}
        return WarmLaunch.of(
            [str(executable or self.home / "starlake")],
            environment,
            settings or WarmSettings(),
            folder=folder or self.root,
        )

    def refused(self, **given):
        with pytest.raises(StarlakeError) as caught:
            self.launch(**given)
        return caught.value


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_launch_is_that_of_the_script(machine):
    launch = machine.launch()
    home = machine.home
    assert launch.java == str(machine.java)
    assert launch.class_path == [
        str(SERVER_CLASSES),
        f"{home}/bin/sl/starlake-core_2.13-1.5.16-assembly.jar",
        f"{home}/bin/deps/a.jar",
        f"{home}/bin/deps/b.jar",
        f"{home}/bin/spark/conf",
        f"{home}/bin/spark/jars/*",
    ]
    assert launch.argv()[0] == launch.java
    assert launch.argv()[-3:] == ["-cp", ":".join(launch.class_path), "StarlakeWarmServer"]
    assert (launch.heap, launch.version, launch.folder) == ("4g", "1.5.16", machine.root)
    assert "--add-opens=java.base/java.lang=ALL-UNNAMED" in launch.jvm_options
    assert launch.properties["spark.master"] == "local[*]"


def test_a_link_to_the_script_leads_to_its_installation(machine, tmp_path):
    link = tmp_path / "bin/starlake"
    link.parent.mkdir()
    link.symlink_to(machine.home / "starlake")
    assert machine.launch(executable=link).class_path == machine.launch().class_path


def test_what_the_script_adds_reaches_the_command(machine):
    environment = {"A": "1", **machine.environment}
    told = machine.launch(unset=["SL_ROOT"]).of_command({"A": "1"})
    assert told["SL_ROOT"] == str(machine.root)
    assert told["SPARK_HOME"] == str(machine.home / "bin/spark")
    assert told["SPARK_LOCAL_HOSTNAME"] == "127.0.0.1"
    assert environment.items() <= machine.launch().of_command(environment).items()


@pytest.mark.parametrize(
    ("variables", "version"),
    [
        ({}, "1.6.0"),
        ({"SL_VERSION": "1.5.16"}, "1.5.16"),
    ],
    ids=["versions.sh", "environment"],
)
def test_of_several_versions_the_one_that_the_script_takes_is_taken(machine, variables, version):
    machine.jar("2.13", "1.6.0")
    machine.file(machine.home / "versions.sh", VERSIONS.replace("1.5.16", "1.6.0"))
    assert machine.launch(**variables).version == version


@pytest.mark.parametrize("where", ["option", "JAVA_HOME", "the script's own", "PATH"])
def test_java_is_that_of_the_option_or_of_the_script(machine, tmp_path, where):
    other = machine.jdk(tmp_path / "other", "21.0.2")
    own = machine.jdk(machine.home / "jdk", "17.0.1")
    if where == "option":
        assert machine.launch(settings=WarmSettings(java=str(other)), JAVA_HOME="/none").java == str(other)
    elif where == "JAVA_HOME":
        assert machine.launch(JAVA_HOME=str(tmp_path / "other")).java == str(other)
    elif where == "PATH":
        own.unlink()
        assert machine.launch().java == str(machine.java)
    else:
        assert machine.launch().java == str(own)


@pytest.mark.parametrize(
    ("release", "extra"),
    [
        ("11.0.2", []),
        ("17.0.15", []),
        ("21.0.2", []),
        ("23.0.1", ["--sun-misc-unsafe-memory-access=allow"]),
        ("25", ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"]),
    ],
)
def test_each_version_of_java_gets_options_that_it_knows(machine, tmp_path, release, extra):
    machine.jdk(tmp_path / "jdk", release)
    options = machine.launch(JAVA_HOME=str(tmp_path / "jdk")).jvm_options
    assert [option for option in options if option.startswith("--") and "add-opens" not in option] == extra


def test_the_version_of_java_is_read_without_starting_it(machine, tmp_path):
    assert java_version(machine.java) == 17
    (tmp_path / "java").symlink_to(machine.java)
    assert java_version(tmp_path / "java") == 17
    (machine.java.parents[1] / "release").unlink()
    assert java_version(machine.java) is None


def test_settings_take_precedence(machine):
    settings = WarmSettings(class_path=("/x/a.jar", "/y/*"), jvm_options=("-Xmx1g", "-Dfile.encoding=UTF-8"))
    launch = machine.launch(executable="/nowhere/starlake", settings=settings, SPARK_DRIVER_MEMORY="9g")
    assert launch.class_path == [str(SERVER_CLASSES), "/x/a.jar", "/y/*"]
    assert launch.jvm_options[-2:] == ["-Xmx1g", "-Dfile.encoding=UTF-8"]
    assert launch.heap == "1g"


def test_the_heap_is_that_of_sparks_driver(machine):
    assert machine.launch(SPARK_DRIVER_MEMORY="2g").jvm_options[0] == "-Xmx2g"
    options = "--conf spark.driver.memory=3g --conf=spark.executor.cores=2"
    launch = machine.launch(SPARK_DRIVER_MEMORY="2g", SPARK_CONF_OPTIONS=options)
    assert launch.heap == "3g"
    assert launch.properties["spark.executor.cores"] == "2"


def test_sparks_defaults_are_read_and_its_options_take_precedence(machine):
    text = "# spark.a 1\nspark.sql.shuffle.partitions   8\nspark.b=x y\nspark.ui.port 4050\n\n"
    machine.file(machine.home / "bin/spark/conf/spark-defaults.conf", text)
    properties = machine.launch(SPARK_CONF_OPTIONS="--conf spark.ui.port=4051").properties
    assert properties["spark.sql.shuffle.partitions"] == "8"
    assert properties["spark.b"] == "x y"
    assert properties["spark.ui.port"] == "4051"
    assert "spark.a" not in properties


def test_nothing_secret_is_on_the_command_line_in_a_representation_or_in_the_first_environment(machine):
    secret = "hunter22"
    launch = machine.launch(
        SPARK_CONF_OPTIONS=f"--conf spark.hadoop.fs.s3a.secret.key={secret}",
        HTTPS_PROXY=f"http://me:{secret}@proxy:3128",
        AWS_SECRET_ACCESS_KEY=secret,
        SL_STORAGE_CONF=f"fs.azure.account.key={secret}",
        PASSWORD=secret,
        settings=WarmSettings(jvm_options=(f"-Djavax.net.ssl.keyStorePassword={secret}",)),
    )
    for shown in (launch.argv(), launch, launch.environment, launch.fingerprint):
        assert secret not in str(shown)
    assert launch.properties["https.proxyPassword"] == secret
    assert launch.properties["https.proxyPort"] == "3128"
    assert launch.properties["spark.hadoop.fs.s3a.secret.key"] == secret
    assert launch.properties["javax.net.ssl.keyStorePassword"] == secret


def test_spark_shows_no_web_page_unless_it_is_asked_to(machine):
    assert machine.launch().properties["spark.ui.enabled"] == "false"
    asked = machine.launch(SPARK_CONF_OPTIONS="--conf spark.ui.enabled=true")
    assert asked.properties["spark.ui.enabled"] == "true"


def test_options_of_sparks_driver_replace_those_of_proxies(machine):
    launch = machine.launch(HTTPS_PROXY="http://proxy:1", SPARK_DRIVER_OPTIONS="-Dx.y='a b' -XX:+UseSerialGC")
    assert launch.properties["x.y"] == "a b"
    assert launch.jvm_options[-1] == "-XX:+UseSerialGC"
    assert "https.proxyHost" not in launch.properties


@pytest.mark.parametrize(
    "variables",
    [
        {"SL_ROOT": "/elsewhere"},
        {"SL_ENV": "BQ"},
        {"SPARK_DRIVER_MEMORY": "1g"},
        {"SPARK_CONF_OPTIONS": "--conf spark.ui.enabled=true"},
        {"SPARK_MASTER_URL": "local[1]"},
        {"JAVA_TOOL_OPTIONS": "-Dx=1"},
        {"AWS_SECRET_ACCESS_KEY": "other"},
        {"TZ": "Asia/Tokyo"},
        {"LC_ALL": "C"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_commands_with_another_value_of_what_is_read_once_do_not_share_a_server(machine, variables):
    assert machine.launch(**variables).fingerprint != machine.launch().fingerprint


def test_commands_with_other_dates_job_and_secrets_share_a_server(machine):
    assert machine.launch(SL_JOB_ID="b", SL_API="true", PASSWORD="x").fingerprint == machine.launch().fingerprint


@pytest.mark.parametrize("changed", ["folder", "executable", "settings", "jar", "project", "replaced"])
def test_what_a_virtual_machine_is_started_with_tells_servers_apart(machine, tmp_path, changed):
    before, given = machine.launch().fingerprint, {}
    if changed == "folder":
        given = {"folder": tmp_path}
    elif changed == "executable":
        given = {"executable": machine.file(machine.home / "other", mode=0o755)}
    elif changed == "settings":
        given = {"settings": WarmSettings(jvm_options=("-Xss4m",))}
    elif changed == "jar":
        machine.jar("2.13", "1.5.16").write_text("another build")
    elif changed == "replaced":  # a virtual machine would stay in the old folder
        machine.root.rename(tmp_path / "old")
        machine.root.mkdir()
    else:
        machine.file(machine.root / "metadata/application.sl.yml", "application: {spark: {a: 1}}")
    assert machine.launch(**given).fingerprint != before


def test_a_missing_installation_is_told_with_places_and_option(machine, tmp_path):
    wrapper = machine.file(tmp_path / "bin/starlake", mode=0o755)
    error = machine.refused(executable=wrapper)
    assert str(tmp_path / "bin") in str(error)
    assert "bin/sl/starlake-core_*-assembly.jar" in str(error)
    assert "warm_class_path" in str(error)
    assert machine.launch(executable=wrapper, SL_SCRIPT_DIR=str(machine.home)).version == "1.5.16"


def test_a_missing_spark_is_told_with_places(machine, tmp_path):
    (machine.home / "bin/spark").rename(tmp_path / "spark")
    assert str(machine.home / "bin/spark") in str(machine.refused())
    assert machine.launch(SPARK_HOME=str(tmp_path / "spark")).class_path[-1] == f"{tmp_path}/spark/jars/*"


def test_a_missing_or_old_java_is_told_with_places_and_option(machine, tmp_path):
    error = machine.refused(PATH=str(tmp_path))
    assert str(tmp_path) in str(error)
    assert "warm_java" in str(error)
    machine.jdk(tmp_path / "old", "1.8.0_392")
    assert "is Java 8\n" in str(machine.refused(JAVA_HOME=str(tmp_path / "old")))


def test_an_executable_with_arguments_is_refused(machine):
    with pytest.raises(StarlakeError, match="has arguments of its own"):
        WarmLaunch.of(["/bin/nice", "starlake"], machine.environment, WarmSettings(), folder=machine.root)


def test_a_version_that_is_not_installed_is_told(machine):
    assert "not starlake-core_2.13-1.8.0-assembly.jar" in str(machine.refused(SL_VERSION="1.8.0"))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SPARK_MASTER_URL": "yarn"}, "local mode only"),
        ({"SPARK_EXTRA_PACKAGES": "--packages a:b:c"}, "only spark-submit fetches packages"),
        ({"SPARK_CONF_OPTIONS": "--deploy-mode cluster"}, "--deploy-mode"),
        ({"SPARK_DRIVER_OPTIONS": "-Dx='open"}, "close its quotes"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_only_sparks_scripts_can_do_is_refused(machine, variables, said):
    assert said in str(machine.refused(**variables))


def test_sparks_own_script_of_the_environment_is_refused(machine):
    machine.file(machine.home / "bin/spark/conf/spark-env.sh")
    assert "spark-env.sh" in str(machine.refused())


def test_a_launch_does_not_depend_on_the_environment_of_this_process(machine, monkeypatch):
    before = machine.launch()
    for name in list(os.environ):
        if name not in ("PATH", "PYTEST_CURRENT_TEST"):
            monkeypatch.delenv(name)
    assert machine.launch() == before
