"""Fakes for the tests of those who build on this project."""

from ai.starlake.testing.fake_cli import FakeCall, FakeStarlake

__all__ = ["FakeCall", "FakeStarlake"]
