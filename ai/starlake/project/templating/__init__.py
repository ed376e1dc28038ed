"""Templates of a project: Jinja, variables, and names that nobody defines."""
