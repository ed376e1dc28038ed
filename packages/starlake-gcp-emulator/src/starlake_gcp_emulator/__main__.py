"""``python -m starlake_gcp_emulator``."""

from starlake_gcp_emulator.cli import main

if __name__ == "__main__":
    main(prog_name="python -m starlake_gcp_emulator")
