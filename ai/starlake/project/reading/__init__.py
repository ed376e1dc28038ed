"""Metadata files: finding, reading and merging them into models."""
