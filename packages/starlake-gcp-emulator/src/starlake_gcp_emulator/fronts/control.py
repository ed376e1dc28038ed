"""Requests of tests in another process to the emulator, over HTTP and JSON beside the REST front.

``GET /emulator/journal`` and so on answers a list; ``POST /emulator/fault`` and so on does something with the arguments
in the body; ``GET /emulator/changed?after=VERSION&within=SECONDS`` answers when the state is newer than a version, or
after some seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from starlake_gcp_emulator.base import Endpoints
    from starlake_gcp_emulator.machine import Machine

PREFIX = "/emulator/"
LISTS = ("journal", "clusters", "spark_jobs", "executions")
ACTIONS = ("fault", "clear_faults", "fail_clusters", "add_job", "add_bucket", "add_secret", "advance")
LONGEST_WAIT = 10.0


class Control:
    """Answers what tests ask.

    Args:
        machine: The services.
        endpoints: Returns where the emulator listens.
    """

    def __init__(self, machine: Machine, endpoints: Callable[[], Endpoints]) -> None:
        self._machine = machine
        self._endpoints = endpoints

    def answer(self, verb: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, str]:
        """Return the status and the body for a request."""
        try:
            found = self._answer(f"{verb} {path.removeprefix(PREFIX)}", query, body)
        except StarlakeError as error:
            return 400, json.dumps({"culprit": error.culprit, "cause": error.cause, "fix": error.fix})
        except (KeyError, TypeError, ValueError) as error:
            return 400, json.dumps({"culprit": f"{verb} {path} is not understood", "cause": str(error), "fix": None})
        return 200, json.dumps(found)

    def _answer(self, asked: str, query: dict[str, str], body: bytes) -> Any:
        verb, _, name = asked.partition(" ")
        if verb == "GET" and name in LISTS:
            return [asdict(one) for one in self._machine.show(name)]
        if asked == "GET endpoints":
            return asdict(self._endpoints())
        if asked == "GET changed":
            return self._changed(int(query["after"]), float(query["within"]))
        if verb == "POST" and name in ACTIONS:
            self._machine.do(name, json.loads(body or b"{}"))
            return {}
        raise StarlakeError(f"the emulator has no {asked}")

    def _changed(self, after: int, within: float) -> int:
        world = self._machine.world
        world.wait_for(lambda: world.version > after, min(within, LONGEST_WAIT))
        return world.version
