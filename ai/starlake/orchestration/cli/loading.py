"""Load DAG files as modules, and find the pipelines in them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.orchestration.facade import AbstractOrchestration, AbstractPipeline
from ai.starlake.orchestration.pipeline_runs import RunnablePipeline


def load_pipelines(file: Path, names: Iterable[str] = ()) -> Sequence[RunnablePipeline]:
    """Execute a DAG file, and return the runners of its pipelines.

    Args:
        file: The file.
        names: The requested pipelines; all by default.

    Raises:
        StarlakeError: If there is no pipeline in the file, or not one of that name. Errors of the file itself
            propagate.
    """
    found = [pipeline.runs for pipeline in _pipelines(_executed(file))]
    if not found:
        raise StarlakeError(
            f"{file} makes no pipeline",
            fix="make one with OrchestrationFactory.create_orchestration, as the files of `dag-generate` do",
        )
    known = {pipeline.pipeline_id: pipeline for pipeline in found}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise StarlakeError(f"{file} has no pipeline {', '.join(unknown)}", fix=f"choose of {', '.join(known)}")
    return [known[name] for name in names] or found


def _executed(file: Path) -> ModuleType:
    """Return the module of a file. It can import modules in its folder, as if Python ran it."""
    name = f"starlake_dag_file_{sanitize_id(file.stem)}"
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise StarlakeError(f"{file} is not a Python file", fix="name a file that ends in .py")
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _pipelines(module: ModuleType) -> Iterator[AbstractPipeline[Any]]:
    """Yield the pipelines of a module, each once, in creation order.

    Only real lists are searched: Dagster has tuples that do not support it.
    """
    found: dict[int, AbstractPipeline[Any]] = {}
    for value in list(vars(module).values()):
        values = value.pipelines if isinstance(value, AbstractOrchestration) else value
        for each in values if type(values) in (list, tuple) else [values]:
            if isinstance(each, AbstractPipeline):
                found.setdefault(id(each), each)
    yield from found.values()
