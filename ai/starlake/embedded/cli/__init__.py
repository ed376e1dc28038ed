"""The command line of the engine: Starlake's commands, options, exit codes and output."""
