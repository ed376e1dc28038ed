"""Importing the package starts nothing, reads nothing and prints nothing."""

from __future__ import annotations

import subprocess
import sys


def test_the_package_itself_does_not_import_airflow():
    code = "import sys, ai.starlake.airflow; print('airflow' in sys.modules, 'dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    assert done.stderr == ""
