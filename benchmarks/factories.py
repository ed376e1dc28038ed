"""Two ways to the same ops: our factory, and bare `@op` functions, which are the limit."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Protocol

from dagster import AssetKey, AssetMaterialization, In, OpDefinition, Out, Output, op


class Factory(Protocol):
    """Makes the ops of a load job."""

    def load(self, domain: str, table: str, ins: dict[str, In]) -> OpDefinition: ...

    def dummy(self, name: str, ins: dict[str, In], out: str = "result") -> OpDefinition: ...


class Ours:
    """Our factory on a project whose command is `true`."""

    def __init__(self, root: Path, duckdb_lock: str = "auto") -> None:
        from ai.starlake.dagster.shell import StarlakeDagsterShellJob

        self._job = StarlakeDagsterShellJob(
            options={
                "sl_env_var": json.dumps({"SL_ROOT": str(root)}),
                "SL_STARLAKE_PATH": "true",
                "duckdb_lock": duckdb_lock,
            }
        )

    def load(self, domain: str, table: str, ins: dict[str, In]) -> OpDefinition:
        return self._job.sl_load(None, domain, table, ins=ins)

    def dummy(self, name: str, ins: dict[str, In], out: str = "result") -> OpDefinition:
        return self._job.dummy_op(name, ins=ins, out=out)


class Bare:
    """Factory without a library: a function per table that calls `subprocess.run`."""

    def load(self, domain: str, table: str, ins: dict[str, In]) -> OpDefinition:
        name = f"{domain}_{table}_load"

        @op(name=name, ins=ins, out={"result": Out(str)})
        def load(context, **inputs):  # noqa: ARG001  as Dagster passes them
            subprocess.run(["true"], check=True)
            yield AssetMaterialization(AssetKey(f"{domain}_{table}"))
            yield Output(f"{domain}.{table}", "result")

        return load

    def dummy(self, name: str, ins: dict[str, In], out: str = "result") -> OpDefinition:
        @op(name=name, ins=ins, out={out: Out(str)})
        def dummy(context, **inputs):  # noqa: ARG001  as Dagster passes them
            yield Output(name, out)

        return dummy
