"""Run the command: ``python -m ai.starlake.orchestration``."""

from ai.starlake.orchestration.cli import main

if __name__ == "__main__":
    main()
