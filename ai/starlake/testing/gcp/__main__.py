"""``python -m ai.starlake.testing.gcp``."""

from ai.starlake.testing.gcp.cli import main

if __name__ == "__main__":
    main(prog_name="python -m ai.starlake.testing.gcp")
