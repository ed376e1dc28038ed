"""The verb ``transform``: run a task and its dependencies, or show what it would do."""

from __future__ import annotations

from dataclasses import replace

from ai.starlake.common.errors import may_retry
from ai.starlake.embedded.reporting import EngineReporter
from ai.starlake.embedded.results import TransformResult
from ai.starlake.embedded.transform.task_run import TaskRun, TransformRequest
from ai.starlake.embedded.workspace import Workspace
from ai.starlake.project import Task
from ai.starlake.project.lineage.graph import Graph

_MOST_LINES = 10_000


def transform(workspace: Workspace, request: TransformRequest, reporter: EngineReporter) -> TransformResult:
    """Run, compile or show a task.

    Returns:
        The tasks that ran. A failed task is an error in the result, and its consumers do not run.

    Raises:
        StarlakeError: If there is no such task, or if it is invalid.
    """
    task = workspace.project.task(request.name)
    if request.query is not None:
        task = task.model_copy(update={"sql": request.query})
    graph = Graph(workspace.project)
    if request.compile:
        return TransformResult(text=TaskRun(workspace, task, graph, request).compiled())
    if request.interactive is not None:
        return TransformResult(text=TaskRun(workspace, task, graph, request).shown())
    if not request.recursive:
        return _run(workspace, (task,), graph, request, reporter)
    tree = _tree_lines(graph, task)
    title = f"Building dependency tree for task {task.full_name}..."
    text = "\n".join([title, *tree, f"Dependency tree built for task {task.full_name}", *tree])
    return replace(_run(workspace, graph.order([task]), graph, request, reporter), text=text)


def _run(
    workspace: Workspace, tasks: tuple[Task, ...], graph: Graph, request: TransformRequest, reporter: EngineReporter
) -> TransformResult:
    done: list[str] = []
    for task in tasks:
        reporter.transforming(task.full_name)
        named = task.full_name.lower() == request.name.lower()
        error = TaskRun(workspace, task, graph, request if named else replace(request, truncate=False)).run()
        if error is not None:
            return TransformResult(tuple(done), error=f"{task.full_name}: {error}", permanent=not may_retry(error))
        done.append(task.full_name)
    return TransformResult(tuple(done))


def _tree_lines(graph: Graph, task: Task) -> list[str]:
    """Return a task and all its dependencies, indented by two blanks per level.

    Dependencies of several tasks are repeated below each of them; after ten thousand lines a name has no dependencies
    below it.
    """
    lines: list[str] = []
    stack = [(graph.dependency_tree(task), 0)]
    while stack:
        node, depth = stack.pop()
        lines.append("  " * depth + str(node["data"]["name"]))
        if len(lines) < _MOST_LINES:
            stack += [(child, depth + 1) for child in reversed(node.get("children", []))]
    return lines
