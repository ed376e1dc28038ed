"""Rejected rows: an asset per domain that counts them, and the job that loads them again."""
