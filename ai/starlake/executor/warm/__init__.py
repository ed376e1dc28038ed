"""Run Starlake commands in Java virtual machines that live longer than one command."""
