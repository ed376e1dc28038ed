"""Runs of commands within the steps of an orchestrator: what every orchestrator does alike."""
