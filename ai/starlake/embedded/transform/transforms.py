"""The verb ``transform``: runs a task, and those that it depends on; or shows what it would do (contract 1.5)."""

from __future__ import annotations

from dataclasses import replace

from ai.starlake.embedded.reporting import EngineReporter
from ai.starlake.embedded.results import TransformResult
from ai.starlake.embedded.transform.task_run import TaskRun, TransformRequest
from ai.starlake.embedded.transform.task_trees import tree_lines
from ai.starlake.embedded.workspace import Workspace
from ai.starlake.project import Task
from ai.starlake.project.lineage.graph import Graph


def transform(workspace: Workspace, request: TransformRequest, reporter: EngineReporter) -> TransformResult:
    """Runs, compiles or shows a task.

    Returns:
        What ran. A task that fails is an error in the result and stops those that depend on it.

    Raises:
        StarlakeError: If there is no such task, or if it cannot be used.
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
    tree = tree_lines(graph, task)
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
            return TransformResult(tuple(done), error=f"{task.full_name}: {error}")
        done.append(task.full_name)
    return TransformResult(tuple(done))
