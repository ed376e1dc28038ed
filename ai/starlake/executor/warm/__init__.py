"""Run commands of Starlake in Java virtual machines that live longer than one command."""
