"""Lets the tests of this folder import its modules, which also run as scripts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
