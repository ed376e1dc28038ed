"""Measurements in a process of their own; each prints one JSON object."""
