"""Runs of commands within the steps of an orchestrator: the parts common to all orchestrators."""
