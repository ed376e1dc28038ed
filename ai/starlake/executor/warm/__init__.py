"""Warm Starlake: commands run one after another in a Java virtual machine that lives on."""
