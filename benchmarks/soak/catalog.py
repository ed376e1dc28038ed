"""All trials, by name, in the order of the page."""

from __future__ import annotations

from benchmarks.soak.trial import Trial
from benchmarks.soak.trials import (
    calendars,
    cancellations,
    disks,
    mirror,
    remote_faults,
    runs_at_once,
    warm_kills,
    worker_kills,
)

TRIALS: dict[str, Trial] = {
    "cancellations": cancellations.TRIAL,
    "worker_kills": worker_kills.TRIAL,
    "warm_kills": warm_kills.TRIAL,
    "remote_faults": remote_faults.TRIAL,
    "mirror": mirror.TRIAL,
    "disks": disks.TRIAL,
    "runs_at_once": runs_at_once.TRIAL,
    "calendars": calendars.TRIAL,
}
