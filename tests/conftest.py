"""What holds for all tests: how hypothesis looks for examples, and which signals are noticed.

``settled``, the default: the same examples each time, so that a change fails for what it changed and for nothing else.
``explore``: other examples each time; ``pytest --hypothesis-profile=explore tests/project`` looks for what nobody has
seen yet. What it finds becomes a test of its own.
"""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# How long an example takes says more about what else the machine does than about the code; fixtures that are made once
# for all examples are emptied by the tests that use them.
_ANYWHERE = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)

settings.register_profile("settled", _ANYWHERE, derandomize=True)
settings.register_profile("explore", _ANYWHERE)
settings.load_profile("settled")

# gcsfs reads this when it is imported: without it, it asks Google for the kind of each bucket, and an emulator has no
# answer to that.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

# Started in the background of a script, the tests would ignore SIGINT, and so would all processes that they start and
# end. Dagster makes it worse: it takes SIGTERM to be like SIGINT.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
