"""What tests in another process ask of the emulator, over HTTP and JSON beside the REST front.

``GET /emulator/journal`` and so on answers a list; ``POST /emulator/fault`` and so on does something with the arguments
in the body; ``GET /emulator/changed?after=VERSION&within=SECONDS`` answers when the state is newer than a version, or
after some seconds.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from ai.starlake.testing.gcp.machine import Machine

PREFIX = "/emulator/"
LISTS = ("journal", "clusters", "spark_jobs", "executions")
ACTIONS = ("fault", "clear_faults", "fail_clusters", "add_job", "add_bucket", "advance")
LONGEST_WAIT = 10.0


class Control:
    """Answers what tests ask.

    Args:
        machine: The emulator.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def answer(self, verb: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, str]:
        """The status and the body for a request."""
        asked = path.removeprefix(PREFIX)
        if verb == "GET" and asked in LISTS:
            return 200, json.dumps([asdict(one) for one in self._machine.show(asked)])
        if verb == "GET" and asked == "endpoints":
            return 200, json.dumps(asdict(self._machine.endpoints))
        if verb == "GET" and asked == "changed":
            return 200, json.dumps(self._changed(int(query["after"]), float(query["within"])))
        if verb == "POST" and asked in ACTIONS:
            return self._do(asked, json.loads(body or b"{}"))
        return 404, json.dumps({"error": f"the emulator has no {verb} {path}"})

    def _changed(self, after: int, within: float) -> int:
        world = self._machine.world
        world.wait_for(lambda: world.version > after, min(within, LONGEST_WAIT))
        return world.version

    def _do(self, action: str, arguments: dict[str, Any]) -> tuple[int, str]:
        try:
            self._machine.do(action, arguments)
        except StarlakeError as error:
            return 400, json.dumps({"culprit": error.culprit, "cause": error.cause, "fix": error.fix})
        except (TypeError, ValueError) as error:
            return 400, json.dumps({"culprit": f"{action}: {error}", "cause": None, "fix": None})
        return 200, "{}"
