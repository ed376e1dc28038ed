"""Lets the tests of this folder import its modules."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shop import Shop


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path / "shop")


@pytest.fixture(scope="module")
def lasting_shop(tmp_path_factory):
    """For tests of many examples, which begin with `Shop.clear`."""
    return Shop(tmp_path_factory.mktemp("shop"))
