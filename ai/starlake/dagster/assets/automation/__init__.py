"""Automation of assets: partitions, schedules, backfills and automation conditions."""
