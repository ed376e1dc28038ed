"""DAG files out of a project's own templates."""

import json
from pathlib import Path
from textwrap import dedent

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.project import Project
from ai.starlake.project.dag_generation import DagFile, GeneratedFolder, generate

LOAD = """\
{% for s in context.schedules %}{{ s.schedule }}|{{ s.cron }}:\
{% for d in s.domains %}{{ d.name }}={{ d.finalName }}(\
{% for t in d.tables %}{{ t.name }}={{ t.finalName }};{% endfor %}){% endfor %}
{% endfor %}"""
TASK = "{{ context.cron }} {{ context.dependencies }}"


class Shop:
    """A project with two domains of tables and two of tasks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write(
            "application.sl.yml",
            "version: 1\napplication:\n  dagRef: {load: loads, transform: tasks}\n"
            "  schedulePresets: {nightly: 0 3 * * *}",
        )
        self.table("shop", "orders", schedule="nightly", tags="[a]")
        self.table("shop", "items", rename="lines", schedule="5 4 * * *")
        self.table("web", "visits", schedule="6 4 * * *")
        self.write("load/web/_config.sl.yml", "version: 1\nload: {name: web, rename: site}")
        self.write("transform/mart/daily.sql", "SELECT * FROM shop.orders")
        self.write("transform/mart/daily.sl.yml", "version: 1\ntask: {schedule: nightly, tags: [b]}")
        self.write("transform/mart/report.sql", "SELECT * FROM mart.daily")
        self.write("transform/kpi/top.sql", "SELECT * FROM mart.report")
        self.write("dags/templates/load/own.py.j2", LOAD)
        self.write("dags/templates/transform/own.py.j2", TASK)
        self.configure("load", "load_{{domain}}.py")
        self.configure("task", "task_{{domain}}.py")

    def write(self, name: str, text: str) -> None:
        file = self.root / "metadata" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def table(self, domain: str, name: str, **more: str) -> None:
        rename = f"rename: {more['rename']}" if "rename" in more else ""
        text = f"""
            version: 1
            table:
              name: {name}
              pattern: {name}.*
              tags: {more.get("tags", "[]")}
              {rename}
              metadata: {{schedule: "{more["schedule"]}"}}
              attributes: [{{name: id, type: int}}]
        """
        self.write(f"load/{domain}/{name}.sl.yml", dedent(text))

    def configure(self, kind: str, filename: str, template: str = "", options: str = "{}") -> None:
        template = template or ("load/own.py.j2" if kind == "load" else "transform/own.py.j2")
        text = f"version: 1\ndag:\n  template: {template}\n  filename: '{filename}'\n  options: {options}"
        self.write(f"dags/{kind}s.sl.yml", text)

    def project(self, **options: str) -> Project:
        return Project.read(self.root, environment={}, options=options)

    def generate(self, **more: object) -> dict[str, str]:
        return {file.name: file.text for file in generate(self.project(), **more)}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        (
            "all.py",
            {
                "all.py": "cron1|5 4 * * *:shop=shop(items=lines;)\ncron2|6 4 * * *:web=site(visits=visits;)\n"
                "nightly|0 3 * * *:shop=shop(orders=orders;)\n"
            },
        ),
        (
            "{{finalDomain}}.py",
            {
                "shop.py": "cron2|5 4 * * *:shop=shop(items=lines;)\nnightly|0 3 * * *:shop=shop(orders=orders;)\n",
                "site.py": "cron3|6 4 * * *:web=site(visits=visits;)\n",
            },
        ),
        (
            "{{domain}}_{{renamedTable}}.py",
            {
                "shop_lines.py": "cron1|5 4 * * *:shop=shop(items=lines;)\n",
                "shop_orders.py": "nightly|0 3 * * *:shop=shop(orders=orders;)\n",
                "web_visits.py": "cron2|6 4 * * *:web=site(visits=visits;)\n",
            },
        ),
        (
            "{{schedule}}_{{sl_project_id}}.py",
            {
                "cron1.py": "cron1|5 4 * * *:shop=shop(items=lines;)\n",
                "cron2.py": "cron2|6 4 * * *:web=site(visits=visits;)\n",
                "nightly.py": "nightly|0 3 * * *:shop=shop(orders=orders;)\n",
            },
        ),
    ],
)
def test_the_file_name_says_what_gets_a_file(shop: Shop, filename: str, expected: dict[str, str]) -> None:
    shop.configure("load", filename)
    assert shop.generate(tasks=False) == expected


def test_crons_are_numbered_as_starlake_numbers_them(shop: Shop) -> None:
    """Starlake writes a file of a domain as often as the domain has schedules, and counts on."""
    shop.table("hr", "rows", schedule="None")
    shop.table("hr", "other", schedule="0 0 * * *")
    files = shop.generate(tasks=False)
    assert files["load_hr.py"] == "None|None:hr=hr(rows=rows;)\ncron2|0 0 * * *:hr=hr(other=other;)\n"
    shop.configure("load", "load_{{domain}}_{{schedule}}.py")
    assert {"load_hr_None.py", "load_hr_cron1.py"} <= set(shop.generate(tasks=False))


def test_the_name_of_a_task_has_its_domain(shop: Shop) -> None:
    shop.configure("task", "{{name}}.py")
    assert "mart.daily.py" in shop.generate(domains=False)


def test_tables_without_schedule(shop: Shop) -> None:
    for name in ("orders", "items"):
        shop.table("shop", name, schedule="None")
    assert shop.generate(tasks=False)["load_shop.py"] == "None|None:shop=shop(items=items;orders=orders;)\n"


def test_tasks_share_the_file_of_their_name(shop: Shop) -> None:
    files = shop.generate(domains=False)
    assert sorted(files) == ["task_kpi.py", "task_mart.py"]
    assert files["task_mart.py"].startswith("0 3 * * * [")
    assert files["task_kpi.py"].startswith("None [")
    (top,) = json.loads(files["task_kpi.py"].removeprefix("None "))
    assert top["data"]["name"] == "kpi.top"
    assert top["children"][0]["children"][0]["data"]["name"] == "mart.daily"


def test_tasks_of_different_schedules_in_one_file_are_said(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.write("transform/mart/report.sl.yml", "version: 1\ntask: {schedule: 1 2 * * *}")
    assert shop.generate(domains=False)["task_mart.py"].startswith("0 3 * * *")
    assert "mart.daily, mart.report have different schedules" in caplog.text
    shop.configure("task", "{{task}}_{{schedule}}.py")
    assert sorted(shop.generate(domains=False)) == ["daily_nightly.py", "report_cron1.py", "top_None.py"]


def test_options_may_name_what_only_a_run_knows(shop: Shop) -> None:
    shop.configure("load", "one.py", options="{global_ack_file_path: '/x/{{ds}}.ack', tags: '[{{table}}]'}")
    shop.write("dags/templates/load/own.py.j2", "{{ json }}")
    options = {
        option["name"]: option["value"]
        for option in json.loads(shop.generate(tasks=False)["one.py"])["config"]["options"]
    }
    assert options["global_ack_file_path"] == "/x/{{ds}}.ack"
    assert options["tags"] == "[]"  # the file is for several tables
    shop.configure("load", "one.py", options="{tags: '{{ dss }}'}")
    with pytest.raises(StarlakeError, match="the variable dss is not defined"):
        shop.generate(tasks=False)


def test_tags(shop: Shop) -> None:
    assert sorted(shop.generate(tags=["a", "b"])) == ["load_shop.py", "task_mart.py"]
    assert shop.generate(tags=["nothing"]) == {}


def test_what_templates_are_given(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_PROCESS", "x")
    shop.write("env.sl.yml", "version: 1\nenv: {colour: red, API_TOKEN: hidden, shade: dark}")
    shop.configure("load", "one.py", options="{paint: '{{shade}} {{colour}}', SL_TIMEZONE: Europe/Paris}")
    shop.write("dags/templates/common.j2", "{% macro shout(text) %}{{ text | upper }}{% endmacro %}")
    shop.write(
        "dags/templates/load/own.py.j2",
        "{% from 'common.j2' import shout %}{{ shout('hi') }} {{ sl_root }} {{ sl_datasets }} {{ sl_env }}|"
        "{% for e in env %}{{ e.name }}={{ e.value }},{% endfor %}|{{ json }}",
    )
    project = Project.read(shop.root, environment={"OF_THE_PROCESS": "x"})
    (file,) = generate(project, tasks=False)
    paths, variables, context = file.text.split("|", 2)
    assert paths == f"HI {shop.root} {shop.root}/datasets "
    assert "colour=red," in variables
    assert "hidden" not in file.text
    assert "OF_THE_PROCESS" not in variables
    config = json.loads(context)["config"]
    assert config["options"] == [
        {"name": "paint", "value": "dark red"},
        {"name": "SL_TIMEZONE", "value": "Europe/Paris"},
    ]


@pytest.mark.parametrize(
    ("filename", "template", "message"),
    [
        ("one.py", "load/dagster__scheduled_table__fargate.py.j2", "AWS Fargate(.|\n)*where X is cloud_run, dataproc"),
        (
            "one.py",
            "load/snowflake__scheduled_table__sql.py.j2",
            "for Snowflake(.|\n)*dagster__scheduled_table__shell",
        ),
        ("one.py", "load/dagster_scheduled_table_shell.py.j2", "did you mean load/dagster__scheduled_table__shell"),
        ("one.py", "dagster/load.py.j2", "does not exist"),
        ("one.py", "load/owm.py.j2", "did you mean load/own.py.j2"),
        ("one.py", "../../application.sl.yml", "does not exist"),
        ("../{{domain}}.py", "", "becomes '../shop.py'"),
        ("/tmp/{{domain}}.py", "", "stays in the output folder"),
        ("{{nothing}}", "", "the variable nothing is not defined"),
        ("{{ nothing | default('') }}", "", "becomes ''"),
        ("{{ broken", "", "not valid Jinja"),
        ("{{table}}{{'' if 1}}.py", "", ""),
    ],
)
def test_configurations_that_cannot_be_used(shop: Shop, filename: str, template: str, message: str) -> None:
    shop.configure("load", filename.replace("'", "''"), template)
    if not message:
        assert sorted(shop.generate(tasks=False)) == ["items.py", "orders.py", "visits.py"]
        return
    with pytest.raises(StarlakeError, match=message):
        shop.generate()


def test_two_files_of_one_name_are_an_error(shop: Shop) -> None:
    shop.table("web", "orders", schedule="daily")
    shop.configure("load", "{{table}}.py")
    with pytest.raises(StarlakeError, match=r"shop.orders and .*web.orders both make the file orders.py"):
        shop.generate()


def test_a_configuration_that_does_not_exist(shop: Shop) -> None:
    (shop.root / "metadata/dags/loads.sl.yml").rename(shop.root / "metadata/dags/load.sl.yml")
    with pytest.raises(StarlakeError, match=r"DAG configuration loads of shop.items does not exist(.|\n)*load\?"):
        shop.generate()


def test_writing_and_cleaning(shop: Shop, tmp_path: Path) -> None:
    project, target = shop.project(), tmp_path / "out"
    (target / "old").mkdir(parents=True)
    (target / "old" / "file.py").write_text("")
    files = [DagFile("a.py", "1\n", "x"), DagFile("b/c.py", "2\n", "y")]

    def write(folder: Path, *, clean: bool = False) -> tuple[str, ...]:
        output = GeneratedFolder(folder)
        steps = output.plan(files, clean=clean, force=True, emptied_for=project)
        output.carry_out(steps)
        return tuple(step.name for step in steps if step.text is not None)

    assert write(target) == ("a.py", "b/c.py")
    assert (target / "old" / "file.py").exists()
    write(target, clean=True)
    assert sorted(path.name for path in target.rglob("*.py")) == ["a.py", "c.py"]
    assert not (target / "old").exists()
    write(tmp_path / "new", clean=True)
    for precious in (project.root, project.root / "metadata", project.root.parent, project.root / "metadata" / "dags"):
        with pytest.raises(StarlakeError, match="cannot be cleaned"):
            write(precious, clean=True)
    assert (project.root / "metadata" / "application.sl.yml").exists()
