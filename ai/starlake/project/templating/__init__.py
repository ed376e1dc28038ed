"""Templates of a project: Jinja, variables, and undefined names."""
