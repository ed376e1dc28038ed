"""All trials, by name, in the order of the page."""

from __future__ import annotations

from benchmarks.soak.trial import Trial
from benchmarks.soak.trials import calendars, disks, remote_faults, runs_at_once

TRIALS: dict[str, Trial] = {
    "remote_faults": remote_faults.TRIAL,
    "disks": disks.TRIAL,
    "runs_at_once": runs_at_once.TRIAL,
    "calendars": calendars.TRIAL,
}
