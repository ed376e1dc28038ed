"""The emulator as a command."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import threading

import click

from ai.starlake.common import StarlakeError
from starlake_gcp_emulator.clock import Clock, ManualClock
from starlake_gcp_emulator.emulator import EMBEDDED, MAIN_CLASS, SPEED, GcpEmulator


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="starlake-gcp-emulator", message="%(prog)s %(version)s")
@click.option("--port", default=0, show_default=True, help="The port of gRPC; 0 for a free one.")
@click.option("--rest-port", default=0, show_default=True, help="The port of REST; 0 for a free one.")
@click.option("--storage-port", default=0, show_default=True, help="The port of Cloud Storage; 0 for a free one.")
@click.option(
    "--command",
    default=shlex.join(EMBEDDED),
    metavar="COMMAND",
    help="Command of Spark jobs and Cloud Run executions, before their arguments; by default the embedded engine. "
    "Quoted as for a shell, but no shell runs it.",
)
@click.option(
    "--main-class",
    default=MAIN_CLASS,
    show_default=True,
    help="The main class that Spark jobs may name; empty for any.",
)
@click.option("--project", default="local", show_default=True, help="The project of --job.")
@click.option("--region", default="europe-west1", show_default=True, help="The region of --job.")
@click.option("--job", "jobs", multiple=True, metavar="NAME", help="A Cloud Run job to deploy; may be repeated.")
@click.option("--bucket", "buckets", multiple=True, metavar="NAME", help="A bucket to make; may be repeated.")
@click.option(
    "--speed", default=SPEED, show_default=True, help="Factor by which its services are faster than those of Google."
)
@click.option("--grace", default=5.0, show_default=True, help="Seconds between SIGTERM and SIGKILL.")
@click.option("--manual-clock", is_flag=True, help="Let the clock stand still until a test moves it on.")
@click.option("--json", "as_json", is_flag=True, help="Print the endpoints as one line of JSON.")
@click.option("--die-with-parent", is_flag=True, help="End when standard input does, as when the parent is killed.")
def main(
    *,
    port: int,
    rest_port: int,
    storage_port: int,
    command: str,
    main_class: str,
    project: str,
    region: str,
    jobs: tuple[str, ...],
    buckets: tuple[str, ...],
    speed: float,
    grace: float,
    manual_clock: bool,
    as_json: bool,
    die_with_parent: bool,
) -> None:
    """Emulates Dataproc, Cloud Run and Cloud Storage until it is interrupted.

    It prints where it listens, by the names of the options of a Starlake job. Nothing of what it runs outlives it.
    """
    emulator = GcpEmulator(
        shlex.split(command),
        clock=ManualClock() if manual_clock else Clock(),
        speed=speed,
        main_class=main_class or None,
        grace=grace,
        port=port,
        rest_port=rest_port,
        storage_port=storage_port,
    )
    over = _end(die_with_parent=die_with_parent)
    try:
        with emulator:
            for job in jobs:
                emulator.add_job(job if "/" in job else f"projects/{project}/locations/{region}/jobs/{job}")
            for bucket in buckets:
                emulator.add_bucket(bucket)
            _tell(emulator, as_json=as_json)
            over.wait()
    except StarlakeError as error:
        raise click.ClickException(str(error)) from error


def _end(*, die_with_parent: bool) -> threading.Event:
    """Return what is set when the emulator shall end."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())

    def watch() -> None:
        while sys.stdin.buffer.read(1024):
            pass
        over.set()

    if die_with_parent:
        threading.Thread(target=watch, name="gcp-emulator-parent", daemon=True).start()
    return over


def _tell(emulator: GcpEmulator, *, as_json: bool) -> None:
    found = {**emulator.options(), "rest_endpoint": emulator.rest_endpoint}
    click.echo(json.dumps(found) if as_json else "\n".join(f"{name}={value}" for name, value in found.items()))
    sys.stdout.flush()
