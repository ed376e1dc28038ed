"""The trials: a module each, with a `TRIAL`."""
