"""The code location reloads when the project changes: triggers of a reload, obstacles, and messages."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from dagster import DagsterInstance, Definitions, EnvVar, SensorDefinition, build_sensor_context
from dagster_graphql.schema import create_schema
from graphql import introspection_from_schema
from upath import UPath

from ai.starlake.dagster import DagsterStarlakeTranslator, StarlakeDagsterFacade
from tests.dagster.assets.conftest import Folder

RELOADED = {
    "__typename": "WorkspaceLocationEntry",
    "name": "bakery",
    "locationOrLoadError": {"__typename": "RepositoryLocation", "isReloadSupported": True, "repositories": []},
}
UNKNOWN = {"__typename": "RepositoryLocationNotFound", "message": "Code location bakery does not exist."}
BROKEN = {
    "__typename": "WorkspaceLocationEntry",
    "name": "bakery",
    "locationOrLoadError": {"__typename": "PythonError", "message": "ImportError: no module sushi\n"},
}


@dataclass
class Webserver:
    """Answers of a Dagster webserver to the client: one to each reload."""

    port: int
    answer: dict[str, object] | int = field(default_factory=lambda: RELOADED)
    locations: list[str] = field(default_factory=list)
    headers: list[str | None] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, webserver: Webserver, *arguments: object) -> None:
        self.webserver = webserver
        super().__init__(*arguments)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "variables" in asked:
            token, answer = self.headers["Dagster-Cloud-Api-Token"], self.webserver.answer
            self.webserver.locations.append(asked["variables"]["repositoryLocationName"])
            self.webserver.headers.append(token)
            refused = {"errors": [{"message": f"{token} is wrong"}]}
            found = refused if isinstance(answer, int) else {"data": {"reloadRepositoryLocation": answer}}
        else:
            answer, found = 200, schema()
        self.send_response(answer if isinstance(answer, int) else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())

    def log_message(self, *_: object) -> None:
        pass


@cache
def schema() -> dict[str, object]:
    """Return the first query of the client of Dagster 1.9."""
    return {"data": introspection_from_schema(create_schema().graphql_schema)}


@pytest.fixture
def webserver() -> Iterator[Webserver]:
    made = Webserver(0)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, made)) as server:
        made.port = server.server_port
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        server.shutdown()


@pytest.fixture(scope="module")
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@dataclass
class Ticks:
    """A sensor, tick after tick as the daemon runs it."""

    sensor: SensorDefinition
    instance: DagsterInstance
    cursor: str | None = None

    def __call__(self) -> str:
        """Return the reason for which a tick asks for nothing."""
        data = self.sensor.evaluate_tick(build_sensor_context(self.instance, cursor=self.cursor))
        self.cursor = data.cursor
        return data.skip_message or ""


Begin = Callable[..., Ticks]


@pytest.fixture
def begin(folder: Folder, webserver: Webserver, instance: DagsterInstance, tmp_path: Path) -> Begin:
    """Load the definitions, and run a first tick."""

    def start(environment: str | None = None, **arguments: object) -> Ticks:
        given = {"dagster_graphql_host": "127.0.0.1", "dagster_graphql_port": webserver.port, "project": folder.root}
        facade = StarlakeDagsterFacade(
            audit=tmp_path / "audit.db",
            code_location="bakery",
            **{**given, **{name: value for name, value in arguments.items() if name != "translator"}},
        )
        translator = arguments.get("translator")
        definitions = facade.create_definitions(environment, mirror="events", translator=translator)
        (sensor,) = definitions.sensors
        ticks = Ticks(sensor, instance)
        ticks()
        return ticks

    folder.table("shop", "orders")
    return start


def test_a_change_reloads_the_code_location_once(folder, webserver, begin):
    tick = begin()
    assert "changed" not in tick()
    assert webserver.locations == []
    folder.table("shop", "customers")
    assert tick() == "The project has changed. The code location bakery was reloaded."
    assert "reloaded, but this process still has the definitions from before" in tick()
    assert webserver.locations == ["bakery"]
    folder.table("shop", "sellers")
    assert tick() == "The project has changed. The code location bakery was reloaded."
    assert webserver.locations == ["bakery", "bakery"]


def test_a_change_that_is_taken_back_reloads_again_what_reads_the_same_process(folder, webserver, begin):
    tick = begin()
    new = folder.table("shop", "customers")
    tick()
    new.unlink()
    assert "was reloaded" in tick()
    assert "reload" not in tick()
    assert len(webserver.locations) == 2


def test_definitions_of_the_changed_project_need_no_reload(folder, webserver, begin):
    begin()
    folder.table("shop", "customers")
    assert "reload" not in begin()()
    assert webserver.locations == []


def test_a_file_that_is_written_as_it_was_reloads_nothing(folder, webserver, begin):
    tick = begin()
    (file,) = folder.root.rglob("orders.sl.yml")
    file.write_bytes(file.read_bytes())
    os.utime(file, (1, 1))
    (folder.root / "metadata" / ".#orders.sl.yml").symlink_to("nobody@nowhere")  # as Emacs locks a file
    assert "reload" not in tick()
    assert webserver.locations == []


def test_a_change_of_one_letter_in_the_same_second_is_seen(folder, webserver, begin):
    file = folder.table("shop", "customers", "id: long")
    tick = begin()
    before = file.stat()
    file.write_text(file.read_text().replace("name: id", "name: no"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "was reloaded" in tick()


def test_a_project_that_is_not_valid_keeps_its_definitions(folder, webserver, begin):
    tick = begin()
    folder.write("load/shop/customers.sl.yml", "version: 1\ntable:\n  name: customers\n  patern: x\n")
    reason = tick()
    assert "The project has changed, but its definitions stay: validate finds" in reason
    assert f"{folder.root}/metadata/load/shop/customers.sl.yml:4: error: " in reason
    assert "patern" in reason
    assert tick() == reason
    assert webserver.locations == []
    folder.table("shop", "customers")
    assert "was reloaded" in tick()
    assert webserver.locations == ["bakery"]


def test_a_project_that_makes_no_definitions_keeps_those_that_it_has(folder, webserver, begin):
    class OneKey(DagsterStarlakeTranslator):
        def get_asset_spec(self, item):
            return super().get_asset_spec(item).replace_attributes(key="the_only_one")

    tick = begin(translator=OneKey())
    folder.table("shop", "customers")
    reason = tick()
    assert "its definitions stay: they cannot be made" in reason
    assert "both have the asset key the_only_one" in reason
    assert webserver.locations == []


def test_a_webserver_that_does_not_answer_is_told_once_and_tried_again(folder, webserver, begin, capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        tick = begin(dagster_graphql_port=closed.getsockname()[1])
        folder.table("shop", "customers")
        reason = tick()
        assert "the code location bakery could not be reloaded: ConnectionError: " in reason
        assert "The next ticks try it again." in reason
        assert "reload" not in reason.splitlines()[0], "what tracking says comes first"
        tick()
    told = capsys.readouterr()
    assert (told.out + told.err).count("could not be reloaded") == 1
    webserver_is_back = begin()
    folder.table("shop", "sellers")
    assert "was reloaded" in webserver_is_back()


def test_a_reload_that_failed_is_tried_with_the_next_ticks(folder, webserver, begin):
    webserver.answer = UNKNOWN
    tick = begin()
    folder.table("shop", "customers")
    assert "bakery could not be reloaded: RepositoryLocationNotFound: Code location bakery does not exist" in tick()
    webserver.answer = BROKEN
    assert "could not be reloaded: it does not load: ImportError: no module sushi" in tick()
    webserver.answer = RELOADED
    assert "was reloaded" in tick()
    assert len(webserver.locations) == 3


def test_headers_are_sent_and_never_shown(folder, webserver, begin, capsys, monkeypatch):
    monkeypatch.setenv("DAGSTER_TOKEN", "s3cret-token")
    webserver.answer = 401
    headers = {"Dagster-Cloud-Api-Token": EnvVar("DAGSTER_TOKEN")}
    tick = begin(dagster_graphql_kwargs={"headers": headers, "timeout": 5})
    folder.table("shop", "customers")
    reason = tick()
    assert webserver.headers == ["s3cret-token"]
    assert "could not be reloaded: " in reason
    told = capsys.readouterr()
    assert "s3cret-token" not in reason + told.out + told.err


def test_a_header_without_a_value_is_named(folder, begin, monkeypatch):
    monkeypatch.delenv("DAGSTER_TOKEN", raising=False)
    tick = begin(dagster_graphql_kwargs={"headers": {"Token": EnvVar("DAGSTER_TOKEN")}})
    folder.table("shop", "customers")
    assert "could not be reloaded: a header of dagster_graphql_kwargs has no value; DAGSTER_TOKEN is not" in tick()


def test_without_a_host_nothing_is_reloaded(folder, webserver, begin):
    tick = begin(dagster_graphql_host=None)
    folder.table("shop", "customers")
    assert "reload" not in tick()
    assert webserver.locations == []


def test_two_facades_of_one_code_location_reload_it_once(folder, webserver, begin):
    prod, test = begin("prod"), begin("test")
    folder.table("shop", "customers")
    assert "was reloaded" in prod()
    assert "was reloaded" in test()
    assert webserver.locations == ["bakery"]


def test_a_project_in_a_store_reloads_too(folder, webserver, begin):
    store = UPath("memory://starlake-facade/bakery")
    for file in (file for file in folder.root.rglob("*") if file.is_file()):
        copy = store / file.relative_to(folder.root).as_posix()
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    application = store / "metadata/application.sl.yml"
    application.write_text(application.read_text().replace("{{SL_ROOT}}", str(folder.root)))
    tick = begin(project=str(store))
    assert "reload" not in tick()
    (store / "metadata/load/shop/orders.sl.yml").write_text(
        "version: 1\ntable:\n  name: orders\n  pattern: o.*\n  attributes:\n    - {name: id, type: long}\n"
    )
    assert "was reloaded" in tick()


def test_a_host_needs_no_webserver_to_load_the_definitions(folder, begin):
    folder.table("shop", "customers")
    facade = StarlakeDagsterFacade(folder.root, "audit.db", "nowhere.invalid", 1, {"use_https": True})
    Definitions.validate_loadable(facade.create_definitions())
