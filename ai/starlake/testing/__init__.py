"""Contract suites for your own executors and warehouses: subclass one in your tests."""

from __future__ import annotations

from contextlib import suppress

with suppress(ImportError):  # pytest only rewrites assertions of modules that are registered before their import
    import pytest

    pytest.register_assert_rewrite(f"{__name__}.executor_contract", f"{__name__}.warehouse_contract")
