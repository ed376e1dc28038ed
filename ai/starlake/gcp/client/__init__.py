"""Clients of Google Cloud: their calls, retries and errors."""
