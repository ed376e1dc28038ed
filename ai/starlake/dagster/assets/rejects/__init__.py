"""Rejected rows: an asset of each domain that counts them, and the job that loads them again."""
