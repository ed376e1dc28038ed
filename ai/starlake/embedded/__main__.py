"""Run the command of the embedded engine: ``python -m ai.starlake.embedded load``."""

from __future__ import annotations

from ai.starlake.embedded.cli.main import main

if __name__ == "__main__":
    main()
