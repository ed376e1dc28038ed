"""Metadata files: how they are found, read and merged into models."""
