"""The DAG files of the sample project as data: from the surface of Starlake's templates, not from our code.

`described` reads the same facts off a DAG. Files made with our templates, with templates in the form of Starlake's, and
with Starlake's own must all make these DAGs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.shops import Bakery

FORMS = Path(__file__).with_name("forms")
PLACES = ("shell", "cloud_run", "dataproc")
STRATEGIES = ("none", "imported", "pending", "ack")
CRON, HOURLY = "0 5 * * *", "0 * * * *"
ALL = ("Customers", "Ingredients", "Orders", "Products")

LOAD_DAGS: Mapping[int, Mapping[str, tuple[str, str | None, Sequence[str]]]] = {
    0: {"starbake_load": ("", None, ALL)},
    1: {"starbake_load": ("", CRON, ALL)},
    2: {
        "starbake_load_cron1": ("_cron1", CRON, ("Customers", "Ingredients", "Products")),
        "starbake_load_hourly": ("_hourly", HOURLY, ("Orders",)),
    },
}
"""The DAGs of a load file by the number of its schedules: the suffix of their ids, cron expression, tables."""

CHECKS = {
    "none": (),
    "imported": ("check_starbake_incoming_files", "skip_or_start_loading_starbake{s}", "import_starbake{s}"),
    "pending": ("check_starbake_pending_files", "skip_or_start_loading_starbake{s}"),
    "ack": ("check_starbake_ack_file", "skip_or_start_loading_starbake{s}"),
}
"""The tasks before the loads of a domain, in their order, in the group pre_load_starbake{s}."""

TASKS = {
    "Customers_CustomerLifeTimeValue_task": ("starbake_Customers_table", "starbake_Orders_table"),
    "Customers_HighValueCustomers_task": ("Customers_CustomerLifeTimeValue_task",),
    "Products_ProductMargins_task": ("starbake_Ingredients_table", "starbake_Products_table"),
    "kpis_DailySales_task": (
        "Customers_HighValueCustomers_task",
        "Products_ProductMargins_task",
        "starbake_Orders_table",
    ),
}
"""The tasks of the sample, and what each reads; tables stand there with run_dependencies_first alone."""

READ = ("starbake_customers", "starbake_ingredients", "starbake_orders", "starbake_products")
"""The assets that the tasks read, and none of them makes."""


@dataclass(frozen=True)
class Made:
    """The facts of a DAG.

    Args:
        edges: Its edges, without those that others imply.
        outlets: The names of the assets of each task that has some.
        cron: Its cron expression.
        assets: How the assets that start it are put together: ``any`` or ``all``, with their names.
        groups: The ids of its task groups.
        catchup: Whether it makes up for what was missed.
    """

    edges: frozenset[tuple[str, str]]
    outlets: Mapping[str, tuple[str, ...]]
    cron: str | None = None
    assets: tuple[str, tuple[str, ...]] | None = None
    groups: frozenset[str] = frozenset()
    catchup: bool = False


def expected_loads(place: str, strategy: str, schedules: int) -> dict[str, Made]:
    """Return the DAGs of a load file."""
    return {dag_id: _load_dag(dag_id, place, strategy, *facts) for dag_id, facts in LOAD_DAGS[schedules].items()}


def _load_dag(dag_id: str, place: str, strategy: str, s: str, cron: str | None, tables: Sequence[str]) -> Made:
    domain = f"starbake{s}"
    checks = [[f"{domain}.pre_load_{domain}.{name.format(s=s)}"] for name in CHECKS[strategy]]
    loads = {f"{domain}.load_{domain}.load_starbake_{table}": (f"starbake_{table.lower()}",) for table in tables}
    before, after = _before(place, "starbake_load"), _after(place, "starbake_load")
    layers = [[f"start{s}"], *before, *checks, list(loads), *after, [f"end{s}"]]
    return Made(
        edges=frozenset(_edges(layers)),
        outlets={**loads, f"end{s}": (dag_id,)},
        cron=cron,
        groups=frozenset({domain, f"load_{domain}", *([f"pre_load_{domain}"] if checks else [])}),
    )


def expected_transforms(place: str, kind: str) -> Made:
    """Return the DAG of a transform file: started by ``any`` or ``all`` assets, by ``cron``; ``first`` loads them."""
    first = kind == "first"
    parents = {task: [each for each in reads if first or each in TASKS] for task, reads in TASKS.items()}
    if first:
        parents |= {table: [] for reads in TASKS.values() for table in reads if table not in TASKS}
    read = {parent for found in parents.values() for parent in found}
    begin = [task for task, found in parents.items() if not found]
    last = [task for task in parents if task not in read]
    cluster = "starbake_transform"
    edges = {(parent, task) for task, found in parents.items() for parent in found}
    edges |= {*_edges([["start"], *_before(place, cluster), begin]), *_edges([last, *_after(place, cluster), ["end"]])}
    outlets = {task: (task.removesuffix("_task").removesuffix("_table").lower(),) for task in parents}
    return Made(
        edges=frozenset(reduced(edges)),
        outlets={**outlets, "end": ("starbake_transform",)},
        cron="0 6 * * *" if kind == "cron" else None,
        assets=(kind, READ) if kind in ("any", "all") else None,
    )


def _before(place: str, cluster: str) -> list[list[str]]:
    """Layers of tasks that make a cluster."""
    return [[f"create_{cluster}_cluster"]] if place == "dataproc" else []


def _after(place: str, cluster: str) -> list[list[str]]:
    """Layers of tasks that delete it."""
    return [["all_done"], [f"delete_{cluster}_cluster"]] if place == "dataproc" else []


def _edges(layers: Iterable[Sequence[str]]) -> Iterator[tuple[str, str]]:
    for before, after in itertools.pairwise(layers):
        yield from itertools.product(before, after)


def reduced(edges: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Edges without those that others imply."""
    below: dict[str, set[str]] = {}
    for before, after in edges:
        below.setdefault(before, set()).add(after)

    def reachable(task: str) -> set[str]:
        found: set[str] = set()
        stack = [task]
        while stack:
            for after in below.get(stack.pop(), ()):
                if after not in found:
                    found.add(after)
                    stack.append(after)
        return found

    far = {task: reachable(task) for task in list(below)}
    return {
        (before, after)
        for before, found in below.items()
        for after in found
        if not any(after in far.get(other, ()) for other in found - {after})
    }


def described(dag: Any) -> Made:
    """Read the facts off a DAG."""
    edges = {(task.task_id, after) for task in dag.tasks for after in task.downstream_task_ids}
    outlets = {task.task_id: tuple(asset.name for asset in task.outlets) for task in dag.tasks if task.outlets}
    return Made(
        edges=frozenset(reduced(edges)),
        outlets=outlets,
        cron=getattr(dag.timetable, "expression", None),
        assets=_assets(dag),
        groups=frozenset(group.rpartition(".")[2] for group in dag.task_group_dict if group),
        catchup=dag.catchup,
    )


def _assets(dag: Any) -> tuple[str, tuple[str, ...]] | None:
    from airflow.sdk import AssetAny

    condition = getattr(dag.timetable, "asset_condition", None)
    if condition is None:
        return None
    names = tuple(sorted(asset.name for asset in condition.objects))
    return ("any" if isinstance(condition, AssetAny) else "all"), names


def bakery(root: Path, place: str, form: str | None, options: Mapping[str, str] | None = None) -> Bakery:
    """Return the sample project, whose files are made with our templates, or with those of a form as its own."""
    made = Bakery(root, place, {"start_date": "2026-01-01", **(options or {})}, orchestrator="airflow")
    if form is not None:
        for file in FORMS.glob("*.j2"):
            made.write(f"dags/templates/forms/{file.name}", file.read_text("utf-8"))
        for kind, what in (("load", "table"), ("transform", "task")):
            text = (
                f'{{% set head = "{form}" %}}{{% set environment = "{place.upper()}" %}}'
                f'{{% include "forms/{kind}.py.j2" %}}\n'
            )
            made.write(f"dags/templates/{kind}/airflow__scheduled_{what}__{place}.py.j2", text)
    return made


def transforms(made: Bakery, kind: str) -> Path:
    """Generate the file that runs the tasks of the sample; see `expected_transforms`."""
    if kind == "cron":
        for file in (made.root / "metadata" / "transform").rglob("*.sl.yml"):
            text = file.read_text("utf-8")
            file.write_text(text.replace("task:\n", 'task:\n  schedule: "0 6 * * *"\n', 1), encoding="utf-8")
    options = {"first": {"run_dependencies_first": "true"}, "all": {"dataset_triggering_strategy": "all"}}
    made.configure("transform", "starbake_transform.py", **options.get(kind, {}))
    return made.generate()
