"""The decision whether a pipeline that waits for data starts, and for which intervals."""
