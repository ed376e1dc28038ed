"""Run tasks: their SQL or Python code, their dependencies, and checks."""
