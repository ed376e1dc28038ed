"""Ops that run a command: the events that they record, and the outputs that they yield."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dagster import AssetKey, OpExecutionContext, Out

from ai.starlake.dagster.ops import Body, Event, outputs
from ai.starlake.dagster.run_command import DagsterCommandRunner, materialization
from ai.starlake.job import StarlakeCommand, StarlakeSparkConfig


@dataclass(frozen=True)
class CommandBody(Body):
    """Body of an op that runs one command, and records its assets.

    Args:
        runner: Runs the command.
        command: The command.
        name: The Starlake name of its table or task.
        assets: The assets to record as materialized when it succeeds.
        outs: The outputs of the op.
        skippable: True if downstream ops are skipped if a load found no row.
        spark_config: Resources of the Spark job.
    """

    runner: DagsterCommandRunner
    command: StarlakeCommand
    name: str
    assets: tuple[AssetKey, ...]
    outs: Mapping[str, Out] = field(hash=False)
    skippable: bool = False
    spark_config: StarlakeSparkConfig | None = None

    @property
    def subject(self) -> str | None:
        """Starlake name of the table or task of the command."""
        return self.name

    @property
    def verb(self) -> str | None:
        """Verb of the command."""
        return self.command.verb

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Run the command within an op."""
        run = self.runner.run(self.command, self.name, context, self.spark_config)
        if run is None:
            yield from outputs(self.outs, self.name)
            return
        if run.is_remarkable:
            context.log.warning(run.summary)
        elif not self.assets:
            context.log.info(run.summary)
        if run.read_nothing:
            context.log.info(f"{run.summary}: there was no file, so that no materialization is recorded")
            yield from () if self.skippable else outputs(self.outs, self.name)
            return
        defined = assets_of_outputs(context)
        made = {asset: materialization(run, asset, context) for asset in self.assets}
        yield from (event for asset, event in made.items() if asset not in defined)
        if not (self.skippable and run.counts and run.counts.input == 0):
            known = {defined[asset]: event.metadata for asset, event in made.items() if asset in defined}
            yield from outputs(self.outs, self.name, known)


def assets_of_outputs(context: OpExecutionContext) -> Mapping[AssetKey, str]:
    """Return, by asset, the output whose value Dagster records as its materialization.

    Such outputs exist if an op becomes an asset, by `AssetsDefinition.from_op` or within one of a graph.
    """
    if not context.has_assets_def:
        return {}
    keys: Mapping[str, AssetKey] = context.assets_def.keys_by_output_name
    return {key: name for name, key in keys.items()}
