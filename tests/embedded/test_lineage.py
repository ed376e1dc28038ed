"""``lineage``: names, the diagram, the nested trees."""

import json
from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.cli.lineage import Lineage
from ai.starlake.embedded.cli.main import run
from ai.starlake.project import Graph, Project
from ai.starlake.project.lineage.hash_order import hash_order

FILES = {
    "load/shop/_config.sl.yml": "version: 1\nload:\n  name: shop\n",
    "load/shop/orders.sl.yml": (
        "version: 1\ntable:\n  name: orders\n  pattern: orders.*\n  primaryKey: [id]\n  attributes:\n"
        "    - {name: id, type: int}\n    - {name: customer, type: int, foreignKey: customers.id}\n"
    ),
    "transform/base/clean.sql": "SELECT * FROM shop.orders",
    "transform/mart/daily.sql": "SELECT * FROM base.clean JOIN elsewhere.unknown USING (id)",
    "transform/mart/report.sql": "SELECT * FROM mart.daily, base.clean, shop.orders",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        file = tmp_path / "metadata" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setenv("SL_ROOT", str(tmp_path))
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["lineage", *arguments]) == 0
    return capsys.readouterr().out.rstrip("\n")


@pytest.mark.usefixtures("root")
def test_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--task", "MART.Report", "--print").splitlines() == [
        "mart.report",
        "  mart.daily",
        "    base.clean",
        "      shop.orders",
        "  base.clean",
        "    shop.orders",
        "  shop.orders",
    ]
    assert printed(capsys, "--task", "mart.daily", "--objects", "task").splitlines() == ["mart.daily", "  base.clean"]


@pytest.mark.usefixtures("root")
def test_all_lists_each_item_with_what_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "--all", "--print").splitlines()
    first = [line for line in lines if not line.startswith(" ")]
    assert first == hash_order(["shop.orders", "base.clean", "mart.daily", "mart.report"])
    at = lines.index("base.clean")
    assert lines[at + 1] == "  shop.orders"
    tables = printed(capsys, "--all", "--print", "--objects", "table").splitlines()
    assert [line for line in tables if not line.startswith(" ")] == ["shop.orders"]


@pytest.mark.usefixtures("root")
def test_diagram(capsys: pytest.CaptureFixture[str]) -> None:
    diagram = json.loads(printed(capsys, "--task", "base.clean", "--json", "--print"))
    assert diagram["diagramType"] == "task"
    assert [(item["id"], item["displayType"]) for item in diagram["items"]] == [
        ("base.clean", "task"),
        ("shop.orders", "table"),
    ]
    columns = diagram["items"][1]["columns"]
    assert columns[0] == {
        "id": "shop.orders.id",
        "name": "id",
        "columnType": "int",
        "primaryKey": True,
        "foreignKey": False,
    }
    assert columns[1]["foreignKey"] is True
    assert diagram["relations"] == [{"source": "shop.orders", "target": "base.clean", "relationType": "task"}]


@pytest.mark.usefixtures("root")
def test_the_order_of_a_diagram_is_that_of_starlake(capsys: pytest.CaptureFixture[str]) -> None:
    """Items as in a hash map of Scala; relations from a task down, or by the items for the whole project."""

    def diagram(*arguments: str) -> tuple[list[str], list[tuple[str, str]]]:
        data = json.loads(printed(capsys, *arguments, "--json"))
        return [item["id"] for item in data["items"]], [(each["target"], each["source"]) for each in data["relations"]]

    items, relations = diagram("--task", "mart.report")
    assert items == ["mart.report", "base.clean", "mart.daily", "shop.orders"]
    assert relations == [
        ("mart.report", "mart.daily"),
        ("mart.report", "base.clean"),
        ("mart.report", "shop.orders"),
        ("mart.daily", "base.clean"),
        ("base.clean", "shop.orders"),
    ]
    everything, related = diagram("--all")
    assert everything == items
    assert [target for target, _ in related] == [*["mart.report"] * 3, "base.clean", "mart.daily"]


def test_names_come_in_the_order_of_a_map_of_scala() -> None:
    names = [f"sales.t{number}" for number in range(40)] + ["été.ß", "a.😀"]
    assert sorted(hash_order(names)) == sorted(names)
    assert hash_order(reversed(names)) == hash_order(names)
    assert hash_order(["BB", "Aa"]) == ["BB", "Aa"]  # one hash: as they came


@pytest.mark.usefixtures("root")
def test_a_domain_and_all_are_the_tasks_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    def items(*arguments: str) -> set[str]:
        return {item["id"] for item in json.loads(printed(capsys, *arguments, "--json"))["items"]}

    everything = {"base.clean", "mart.daily", "mart.report", "shop.orders"}
    assert items("--task", "base") == {"base.clean", "shop.orders"}
    assert items("--task", "base.clean,mart") == items("--all") == everything
    assert items("--all", "--objects", "table") == {"shop.orders"}


def test_dependency_trees(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trees = json.loads(printed(capsys, "--task", "mart.report,base.clean", "--deps"))
    graph, project = Graph(Project.read(root)), Project.read(root)
    assert trees == [graph.dependency_tree(project.task(name)) for name in ("mart.report", "base.clean")]
    assert [child["data"]["name"] for child in trees[0]["children"]] == ["mart.daily", "base.clean", "shop.orders"]
    assert trees[1]["children"][0]["task"] is False


def test_output_to_a_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = root / "out" / "lineage.json"
    assert printed(capsys, "--all", "--json", "--output", str(target)) == ""
    assert json.loads(target.read_text())["diagramType"] == "task"
    assert printed(capsys, "--all", "--print", "--output", str(target)) == target.read_text().rstrip("\n")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--task"),
        (["--all", "--task", "mart.daily"], "--task"),
        (["--task", "mart.dialy"], "mart.daily"),
        (["--all", "--json", "--deps"], "choose one"),
        (["--all", "--objects", "column"], "task,table"),
        (["--all", "--output", "/dev/null/x"], "cannot be written"),
    ],
)
def test_mistakes_are_explained(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lineage", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_tasks_in_a_circle_are_an_error(root: Path) -> None:
    (root / "metadata/transform/base/clean.sql").write_text("SELECT * FROM mart.report")
    with pytest.raises(StarlakeError, match="in a circle"):
        Lineage(Project.read(root), ["mart.report"])


def layers(root: Path, depth: int, width: int) -> None:
    """Layers of tasks that all read all of the layer below."""
    for layer in range(depth):
        for place in range(width):
            below = [f"grid.t{layer - 1}_{other}" for other in range(width)] if layer else ["shop.orders"]
            file = root / "metadata" / "transform" / "grid" / f"t{layer}_{place}.sql"
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"SELECT 1 FROM {', '.join(below)}")


def test_layers_of_tasks_are_no_explosion(root: Path) -> None:
    layers(root, 10, 10)
    lineage = Lineage(Project.read(root), ["grid.t9_0"])
    assert len(json.loads(lineage.diagram())["items"]) == 1 + 9 * 10 + 1
    assert 10_000 < len(lineage.text().splitlines()) < 11_000
    with pytest.raises(StarlakeError, match="100000 are the most"):
        lineage.dependencies()
