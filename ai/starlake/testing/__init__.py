"""Contract suites for your own executors and warehouses: subclass one in your tests."""

from __future__ import annotations

from contextlib import suppress

with suppress(ImportError):  # pytest shows values in failed assertions of modules that it knows before their import
    import pytest

    pytest.register_assert_rewrite(f"{__name__}.executor_contract", f"{__name__}.warehouse_contract")
