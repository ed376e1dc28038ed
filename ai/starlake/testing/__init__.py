"""Contract suites for your own executors and warehouses: subclass one in your tests."""
