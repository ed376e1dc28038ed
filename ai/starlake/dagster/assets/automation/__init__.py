"""When assets are made: their partitions, schedules, backfills and automation conditions."""
