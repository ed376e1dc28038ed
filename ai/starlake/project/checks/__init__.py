"""Checks of a whole project: everything that is wrong with it, not only the first error."""
