"""The generator of the sample's data: deterministic, and its committed output up to date."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "starbake"
DELIVERED = SAMPLE / "incoming" / "starbake"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("starbake_generator", SAMPLE / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_committed_files_are_what_it_makes_by_default(generator: ModuleType, tmp_path: Path) -> None:
    generator.main(["--out", str(tmp_path)])
    assert contents(tmp_path) == contents(DELIVERED)


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(generator: ModuleType, tmp_path: Path) -> None:
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        generator.main(["--seed", seed, "--orders", "30", "--out", str(tmp_path / name)])
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


@pytest.mark.parametrize(("customers", "orders", "days"), [(1, 1, 1), (7, 100, 3), (500, 2000, 4), (2, 1, 5)])
def test_it_makes_as_much_as_it_is_asked_for(
    generator: ModuleType, tmp_path: Path, customers: int, orders: int, days: int
) -> None:
    sizes = ["--customers", str(customers), "--orders", str(orders), "--days", str(days)]
    generator.main([*sizes, "--out", str(tmp_path)])
    rows = [row for path in tmp_path.glob("customers_*.csv") for row in csv.DictReader(path.open(encoding="utf-8"))]
    documents = [row for path in tmp_path.glob("orders_*.json") for row in json.loads(path.read_text("utf-8"))]
    assert sorted(int(row["customer_id"]) for row in rows) == list(range(1, customers + 1))
    assert sorted(row["order_id"] for row in documents) == list(range(1, orders + 1))
    assert len(list(tmp_path.glob("products_*.json"))) == days


def test_the_total_of_an_order_is_the_sum_of_its_lines() -> None:
    for path in DELIVERED.glob("orders_*.json"):
        for order in json.loads(path.read_text("utf-8")):
            lines = sum(line["quantity"] * line["unit_price"] for line in order["lines"])
            assert order["total"] == pytest.approx(lines, abs=0.001)


@pytest.mark.parametrize("arguments", [["--customers", "0"], ["--days", "-1"], ["--orders", "many"]])
def test_sizes_that_make_no_sense_are_refused(
    generator: ModuleType, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refusal:
        generator.main([*arguments, "--out", str(tmp_path)])
    assert refusal.value.code == 2
    assert arguments[0] in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
