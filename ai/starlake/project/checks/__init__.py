"""Checks of a whole project: all of its errors, not only the first one."""
