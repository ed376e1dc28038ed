"""Google's clients: the calls, their retries, and the errors that they raise."""
